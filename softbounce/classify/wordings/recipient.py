"""Wordings about the recipient: no such mailbox, no such domain, disabled, full, refused."""

from __future__ import annotations

from softbounce.classify.wording import Wording, phrases
from softbounce.meaning import Meaning
from softbounce.verdict import FineFault, Reason

__all__ = [
    "ADDRESS_REJECTED",
    "BAD_DOMAIN",
    "BAD_MAILBOX",
    "BAD_MAILBOX_ABROAD",
    "DISABLED",
    "MAILBOX_FULL",
    "RECIPIENT_BLOCKED",
    "RECIPIENT_RESTRICTED",
    "SUSPENDED",
    "UNAVAILABLE",
    "UNDELIVERABLE",
    "UNVERIFIED",
]

RECIPIENT = FineFault.RECIPIENT

MAILBOX_FULL = Wording(
    name="mailbox-full",
    meaning=Meaning(reason=Reason.MAILBOX_FULL, fault=RECIPIENT),
    retries=True,
    phrases=phrases("""
        mailbox full | mailbox is full | mail box is full | mail box full | inbox is full | inbox full
        mailbox & =full | account is full | mailfolder is full | folder is full | over quota | overquota
        over the quota | over its quota | over his quota | over their quota | over disk quota | exceeded quota
        exceeds quota | exceed quota | quota full | quota is full | quota exce | quota & exceed
        quota violation | quota reached | quota limit | out of quota | insufficient quota | not enough quota
        maximum quota | no quota | disk quota | storage allocation | storage quota | storage limit
        out of storage | storage & exceed | mailbox size | mailbox limit | mailbox space | mailbox & storage
        mailbox & space & exceed | mailbox & not enough | mailbox & no space | user & no space
        recipient & no space | mailbox has exceeded | mailbox exceeded | mailbox exceeds
        over the maximum & mailbox | over its limit | allocated space | has too many messages on the server
        too much mail & mailbox
        # French, Spanish, Portuguese, Italian, German, Dutch
        boite & pleine | boite & remplie | quota depasse | quota & atteint | buzon & lleno | buzon & llena
        casilla llena | cuota & exced | cuota & super | caixa & cheia | cota & exced | quota & excedi
        cota & ultrapass | casella & piena | quota & superat | spazio & esaurit | postfach & voll
        postfach ist voll | mailbox & =voll | speicherplatz | quota & uberschritten | kontingent
        mailbox & =vol | postvak & =vol | postbus & =vol
        # Polish, Czech, Swedish, Danish, Norwegian, Turkish
        skrzynka & pelna | skrzynka & pełna | skrzynka & przepeł | przekroczon & limit | schranka & plna
        brevlada & =full | postkasse & =fuld | postkasse & =full | posta kutusu & dolu | =kota
        # Russian, Ukrainian, Chinese, Japanese, Korean
        переполнен | ящик & полон | превышен & квот | квота | превышен & размер & ящик | 邮箱已满 | 邮箱 & 满
        邮箱空间
        信箱已滿 | 信箱 & 滿 | 空间不足 | 空間不足 | 容量 & 超 | 容量不足 | メールボックス & 一杯
        メールボックス & いっぱい | 메일함 & 초과 | 용량 & 초과
        용량 & 부족
    """),
)

BAD_DOMAIN = Wording(
    name="bad-domain",
    meaning=Meaning(reason=Reason.BAD_DOMAIN, fault=RECIPIENT, dead=True),
    phrases=phrases("""
        domain not found | no such domain | no domain | domain does not exist | domain doesn t exist
        domain & not exist | domain unknown | unknown domain | unknown host | host unknown | host not found
        name or service not known | name service error | bad destination host | bad destination system
        invalid domain | domain is invalid | domain name not found | domain & cannot be found
        domain & could not be found | domain & not hosted | domain not served | domain is not served
        domain not configured | domain & no longer | domain & expired | domain isn t | domain is disabled
        domain has been disabled | domain & not accepting | domain does not accept mail | unrouteable
        unroutable | unrouteable mail domain | all relevant mx records point to non existent hosts
        no mx record for domain | =nxdomain | non existent domain | nonexistent domain | null mx | nullmx
        no mail hosts | dominio & no existe | dominio inexistente | domaine & inconnu | domaine & existe pas
        domain unbekannt | домен не найден | домен & не существует | 域名不存在 | ドメイン & 存在
    """),
)

DISABLED = Wording(
    name="mailbox-disabled",
    meaning=Meaning(reason=Reason.INACTIVE, fault=RECIPIENT, dead=True),
    phrases=phrases("""
        mailbox disabled | mailbox is disabled | mailbox has been disabled | account disabled
        account is disabled | account has been disabled | account that you tried to reach is disabled
        account & disabled | mailbox & inactiv | account & inactiv | user & inactiv | address rejected inactive
        recipient & inactive | mailbox & not active | account & not active | user & not active
        address & not active | mailbox & no longer in use | account & no longer in use
        address & no longer in use | address & not in use | address & no longer used | mailbox & abandoned
        account & abandoned | mailbox & deleted | user & deleted | address & deleted | mailbox & removed
        address & has been removed | mailbox & discontinued | account & discontinued | address & discontinued
        利用停止 | 使用停止 | 配信停止 | 被禁用 | 被停用 | user disabled | user is disabled | user & disabled
        recipient & disabled | address & disabled | no longer active | inactive user | inactive account
        deactivated | has been closed | account closed | account is closed | account & terminated
        account & cancelled | account & canceled | account expired | account has expired | account is expired
        mailbox & expired | mailbox closed | mailbox is closed | account & deleted | user & removed
        no longer accepting mail | no longer accepts mail | no longer accept mail | no longer accepts messages
        compte & desactive | compte & ferme | cuenta & desactivad | cuenta & deshabilitad | cuenta & inactiva
        cuenta cerrada | conta & desativada | conta & inativa | conta & encerrada | account & disattivat
        casella & disattivat | casella & disabilitat | konto & deaktiviert | konto & gesperrt
        konto & geschlossen | postfach & deaktiviert | postfach & inaktiv | account & gedeactiveerd
        konto & nieaktywne | konto & zablokowane | ящик & отключен | ящик & заблокирован
        учетная запись & отключена | учетная запись & заблокирована | 账号已停用 | 帐号已停用 | 邮箱已停用
        已被禁用 | 冻结 | 휴면
    """),
)

SUSPENDED = Wording(
    name="mailbox-suspended",
    meaning=Meaning(reason=Reason.INACTIVE, fault=RECIPIENT),
    phrases=phrases("""
        suspended | account & locked | mailbox & locked | account & blocked | mailbox & blocked
        account & on hold | mailbox & frozen | account & frozen | mailbox is restricted | vacation mode
        suspendid | suspendu | suspendiert | sospes | приостановлен
    """),
)

BAD_MAILBOX = Wording(
    name="bad-mailbox",
    meaning=Meaning(reason=Reason.BAD_MAILBOX, fault=RECIPIENT, dead=True),
    phrases=phrases("""
        user unknown | unknown user | =userunknown | user is unknown | user not known | user is not known
        address is not known | recipient is not known | not a known user | unknown to this | =user & not in our
        recipient & not in our | recipient & not in the | recipient & not in list | mailbox & not in our
        email address & not in our | user not listed | user & not listed in | recipient & not listed
        mailbox & no longer available | user & no longer available | account & no longer available
        address & no longer available | invalid to address | doesn t exist | user doesn t exist
        recipient unknown | unknown recipient | recipient is unknown | addressee unknown | unknown addressee
        address unknown | unknown address | mailbox unknown | unknown mailbox | account unknown
        unknown account | unknown local | local part unknown | unknown or illegal alias
        unknown or illegal user | unknown email | unknown virtual user | unknown in local recipient table
        not known here | no such user | no such mailbox | no such recipient | no such address | no such account
        no such person | no such email | no such local | no such alias | no such id | no such mail | =nosuchuser
        nosuch | user not found | user & not found | recipient not found | recipient & not found
        recipientnotfound | recipnotfound | account not found | mailbox not found | mailbox & not found
        address not found | address & not found | could not be found | cannot be found | can t be found
        can not be found | not be located | couldn t be found | user & not exist | user & doesn t exist
        users & not exist | recipient & not exist | recipient & doesn t exist | mailbox & not exist
        mailbox & doesn t exist | account & not exist | account & doesn t exist | address & not exist
        address & doesn t exist | addressee & not exist | alias & not exist | mailbox & nonexistent
        non existent user | nonexistent user | non existent mailbox | nonexistent mailbox | non existent address
        non existing | nonexisting | no longer exist | does not exist | invalid recipient | invalid mailbox
        invalid address | invalid user | invalid email | invalid account | invalid local part | invalid alias
        recipient invalid | recipient is invalid | recipients invalid | recipients are invalid
        address is invalid | address invalid | mailbox is invalid | marked as invalid | not valid recipient
        not a valid & mailbox | not a valid & address | not a valid & recipient | not a valid & user
        not a valid & account | not valid & address | isn t a valid | no longer valid | no valid user
        bad recipient | bad address | bad destination | bad mailbox | bad user | illegal recipient
        wrong recipient | wrong address | wrong user | incorrect recipient | non local recipient
        recipient is not local | not a local | user not local | no mailbox | no account | no user
        no recipient by | no person | nobody here | user is not here | user not here | no longer a user
        not a customer | no one by that name | not our customer | not our user | not a user | unallocated
        not allocated | doesn t have & account | does not have & account | doesn t have & mailbox
        does not have & mailbox | not in recipient | not on recipient | no longer on server | no longer at
        no longer here | no longer with | no longer works | no longer employed | has left | has moved
        has changed & address | user moved | misspell | misspelt | undeliverable address | address undeliverable
        recipient & undeliverable | user & undeliverable | undeliverable mail address
        delivery to this address is | blank mailhost | recipient verify failed | recipient verification failed
        verification failed for recipient | callout verification failed | address verification failed
        need fully qualified & recipient | no mail box | resolver adr
    """),
)

BAD_MAILBOX_ABROAD = Wording(
    name="bad-mailbox-abroad",
    meaning=Meaning(reason=Reason.BAD_MAILBOX, fault=RECIPIENT, dead=True),
    phrases=phrases("""
        # French
        inconnu | existe pas | introuvable | destinataire & invalide | adresse invalide | adresse & incorrecte
        destinataire & inexistant | utilisateur & inexistant
        # Spanish, Portuguese, Catalan
        no existe | inexistente | desconocid | no encontrado | no se encuentra | no se encontr
        destinatario invalid | direccion incorrecta | nao existe | nao encontrad | nao foi encontrad
        desconhecid | destinatario nao | endereco invalido | usuario invalido | no es valid | desconegut
        # Italian, Romanian
        sconosciut | inesistente | non esiste | non trovat | non valid | non e valid | nu exista | necunoscut
        inexistent
        # German, Dutch
        unbekannt | existiert nicht | nicht gefunden | nicht vorhanden | ungultig | ungueltig | nicht bekannt
        kein solche | kein postfach | onbekend | bestaat niet | niet gevonden | ongeldig
        # Polish, Czech, Slovak, Hungarian
        nieznan | nie istnieje | nie ma takie | nie znaleziono | neexist | nezn | ismeretlen | nem letez
        nincs ilyen
        # Swedish, Danish, Norwegian, Finnish
        okand | finns inte | existerar inte | ukendt | findes ikke | eksisterer ikke | ukjent | finnes ikke
        tuntematon | ei ole olemassa | ei loydy
        # Turkish, Greek, Indonesian, Vietnamese
        bulunamadi | bulunmamaktadir | mevcut degil | bilinmeyen | gecersiz | boyle bir kullanici | αγνωστος
        δεν υπαρχει | tidak ditemukan | tidak dikenal | tidak ada | khong ton tai
        # Russian, Ukrainian
        нет такого | такого пользователя | не существует | неизвестн | не найден | не зарегистрирован
        несуществующ | недействительн | не існує | невідом | не знайден
        # Chinese, Japanese, Korean
        不存在 | 宛先不明 | ユーザ不明 | ユーザー不明 | 無此 | no valido | no valida | no es valida | 无此用户
        無此用戶 | 无此邮箱 | 查无此 | 查無此
        找不到 | 用户未找到 | 收件人无效 | 无效的收件人 | 地址无效 | 無此 | 未知用户 | 未知的 | 見つかりません
        存在しません | 存在しない | 宛先 & ありません | 無効なアドレス
        존재하지 | 없는 사용자 | 없는 계정 | 찾을 수 없 | 알 수 없는
        # Arabic, Hebrew
        غير موجود | غير معروف | לא קיים | לא נמצא
    """),
)

UNAVAILABLE = Wording(
    name="mailbox-unavailable",
    meaning=Meaning(reason=Reason.BAD_MAILBOX, fault=RECIPIENT, dead=True),
    digit=5,
    is_weak=True,
    phrases=phrases("""
        mailbox unavailable | mailbox not available | user not local
    """),
)

ADDRESS_REJECTED = Wording(
    name="address-rejected",
    meaning=Meaning(reason=Reason.BAD_MAILBOX, fault=RECIPIENT, dead=True),
    digit=5,
    subject=1,
    is_weak=True,
    phrases=phrases("""
        address rejected | address was rejected | recipient rejected | user rejected
    """),
)

UNDELIVERABLE = Wording(
    name="recipient-unavailable",
    meaning=Meaning(reason=Reason.BAD_MAILBOX, fault=RECIPIENT),
    digit=5,
    is_weak=True,
    phrases=phrases("""
        mailbox name not allowed | recipient unavailable | user unavailable | account unavailable
        recipient not available | recipient rejected | user rejected | unable to deliver to | no valid recipient
        cannot deliver to | undeliverable | unverified address
    """),
)

UNVERIFIED = Wording(
    name="address-being-verified",
    meaning=Meaning(reason=Reason.GREYLIST, fault=FineFault.RECEIVER_SYSTEM),
    digit=4,
    phrases=phrases("""
        verification in progress | verification & progress | verification pending
    """),
)

RECIPIENT_BLOCKED = Wording(
    name="recipient-blocks",
    meaning=Meaning(reason=Reason.RECIPIENT_REFUSED, fault=RECIPIENT),
    phrases=phrases("""
        rejected by recipient | rejected by the recipient | refused by recipient | refused by the recipient
        blocked by recipient | blocked by the recipient | blocked by user | rejected by user
        rejected by the user | recipient has blocked | recipient has refused | recipient has rejected
        recipient blocked | recipient does not want | recipient refuses | recipient refused
        recipient & =blocked | recipients & =blocked | block rcpt | user & has blocked | user does not accept
        user doesn t accept | recipient does not accept | recipient is not accepting
        not accepting mail from you | not accepting messages from you | abgelehnt & empfanger
        rechazado por el destinatario | refuse par le destinataire
    """),
)

RECIPIENT_RESTRICTED = Wording(
    name="recipient-restricts",
    meaning=Meaning(reason=Reason.RECIPIENT_REFUSED, fault=FineFault.POLICY),
    phrases=phrases("""
        allowed senders | allowed sender | accepts mail from | accepts mail only | only accept mail from
        only accepts | sendernotauthenticated | not allowed to send to | not authorized to send to
        not authorised to send to | not permitted to send to | may not send to | to send mail to this
        to send email to this | to send messages to this | to send to this | cannot send to | permission to send
        restricted to | restricted recipient | restrictions & recipient | delivery not authorized
        delivery not authorised | not authorized & message refused | members only | not a member
        subscribers only | closed list | must be a member | by destination domain | recipient & policy rejection
        recipient & access denied | recipient & rejected & access | recipient address rejected & customized
        resolver rst | internal use only | recipient address rejected & =not allowed
    """),
)

"""Wordings about the message: virus, spam, size, content, policy, and the protocol that it was sent by."""

from __future__ import annotations

from softbounce.classify.wording import Wording, phrases
from softbounce.meaning import Meaning
from softbounce.verdict import FineFault, Reason

__all__ = [
    "AUTH_NEEDED",
    "CONTENT",
    "LOOP",
    "PIPELINING",
    "POLICY",
    "POLICY_WEAK",
    "PROTOCOL",
    "REFUSED_WEAK",
    "SPAM",
    "TLS_NEEDED",
    "TOO_BIG",
    "VIRUS",
]

MESSAGE = FineFault.MESSAGE

VIRUS = Wording(
    name="virus",
    meaning=Meaning(reason=Reason.VIRUS, fault=MESSAGE),
    phrases=phrases("""
        virus | malware | trojan | infected | eicar | clamav & found | ransomware | wirus | вирус | 病毒
        ウイルス
        ウィルス | 바이러스
    """),
)

TOO_BIG = Wording(
    name="message-too-big",
    meaning=Meaning(reason=Reason.TOO_BIG, fault=MESSAGE),
    phrases=phrases("""
        message size | message too large | message too big | message is too large | message is too big
        message file too big | message too long | message is too long | message length | message exceeds
        exceeds the maximum size | exceeds the maximum allowed | exceeds maximum size | exceeds maximum allowed
        exceeds max size | maximum message size | maximum message length | message & exceed & size
        message & larger than | message & bigger than | mail size | mail too large | mail too big
        mail is too big | mail is too large | email size | email too large | email is too large | size limit
        size exceed | size & exceed | maximum size | max size | exceeds fixed | size of your message
        size of the message | size of this message | too large | file too big | data size | body too large
        attachment & too large | header too large | headers too large | taille & message | trop volumineux
        trop gros | trop grand | tamano & mensaje | demasiado grande | tamanho & mensagem | muito grande
        troppo grande | dimensione & messaggio | zu gross | zu groß | nachricht & grosse | te groot | zbyt du
        liian suuri | cok buyuk | слишком большо | размер & сообщени | размер письма | 邮件过大 | 邮件太大
        邮件大小 | 信件過大
        郵件過大 | サイズ | 너무 큽니다 | 크기 & 초과
    """),
)

SPAM = Wording(
    name="spam-content",
    meaning=Meaning(reason=Reason.SPAM_CONTENT, fault=MESSAGE),
    phrases=phrases("""
        spam | unsolicited | =ube | =uce | bulk mail | bulk email | junk mail | junk email | =junk | phish
        fraud | scam | suspicious & content | suspicious & message | nature of the content | message filtered
        content filter | filtered | message & flagged | bayes | high probability | blocked by filter
        rejected by filter | rejected by content | rejected by our content | bad url | url & listed
        url & block | advertis | courrier indesirable | indesirable | pourriel | correo no deseado | no deseado
        nao solicitad | indesiderat | unerwunscht | unerwuenscht | ongewenst | niechcian | спам | нежелательн
        垃圾 | スパム | 迷惑メール | 스팸
    """),
    links=phrases("""
        unsolicitedmessage | unsolicited
    """),
)

CONTENT = Wording(
    name="content-refused",
    meaning=Meaning(reason=Reason.CONTENT, fault=MESSAGE),
    phrases=phrases("""
        attachment | banned content | banned file | banned & extension | forbidden & extension
        prohibited & extension | file type | filename | executable | content denied | content rejected
        content not | content is not | content & forbidden | content & prohibited | content restriction
        message content | its content | the content of | mail content | illegal content | bad content
        prohibited content | message contains | message contain | =headers & rfc | =header & rfc | not rfc
        rfc compliant | rfc 5322 | rfc 2822 | rfc 822 | rfc5322 | rfc2822 | rfc822 | non compliant
        missing header | missing & header | missing & from | missing & date | missing & message id
        missing message id | invalid header | bad header | malformed & header | duplicate header
        multiple & header | header & missing | header & invalid | header & malformed | header & syntax
        from header | date header | header error | headers & not | header & duplicate | malformed message
        malformed mime | malformed email | mime error | mime & invalid | mime & malformed | invalid mime
        improper mime | body type | bare lf | bare line | bare newline | bare cr | line too long | line length
        lines too long | nul character | null character | 8bit | 8 bit | 8bitmime | non ascii | smtputf8
        internationalized | character set | charset | conversion | encrypted & not | piece jointe | adjunto
        allegato | anexo | anhang | bijlage | вложени | 附件 | 添付 | 첨부
    """),
    links=phrases("blockedmessage"),
)

LOOP = Wording(
    name="mail-loop",
    meaning=Meaning(reason=Reason.PROTOCOL, fault=MESSAGE),
    phrases=phrases("""
        too many hops | hop count | hopcount | maximum hops | mail loop | =loop | looping | loops back
        too many received | received headers | boucle | bucle | schleife
    """),
)

PIPELINING = Wording(
    name="pipelining",
    meaning=Meaning(reason=Reason.PROTOCOL, fault=MESSAGE),
    phrases=phrases("""
        pipelining | protocol synchroni | smtp synchroni | synchronization error | synchronisation error
        input sent too soon | talk too soon | talked too soon | spoke too soon | early talker
    """),
)

PROTOCOL = Wording(
    name="protocol",
    meaning=Meaning(reason=Reason.PROTOCOL, fault=MESSAGE),
    phrases=phrases("""
        syntax error | syntax & mail from | syntax & rcpt to | syntax & helo | syntax & ehlo
        command not recogni | command unrecogni | unrecogni & command | command not implemented
        not implemented | unknown command | bad command | invalid command | command unknown
        command not understood | command rejected & sequence | bad sequence | out of sequence | wrong sequence
        sequence of commands | improper sequence | commands out of order | need mail | need rcpt | mail first
        rcpt first | helo first | ehlo first | polite people | say hello | nested mail | sender already
        parameters or arguments | invalid arguments | invalid parameter | unsupported parameter
        unrecogni & parameter | parameter & not recogni | bad parameter | unsupported option | protocol error
        protocol violation | improper command | command line too long | syntaxfehler | unbekanntes kommando
        unbekannter befehl | erreur de syntaxe | commande inconnue | error de sintaxis | comando desconocido
        erro de sintaxe | errore di sintassi
    """),
)

TLS_NEEDED = Wording(
    name="tls-needed",
    meaning=Meaning(reason=Reason.POLICY, fault=FineFault.POLICY),
    phrases=phrases("""
        starttls | =tls & required | =tls & require | =tls & must | =tls & needed | encryption required
        encryption is required | encryption needed | encryption & require | unencrypted
    """),
)

AUTH_NEEDED = Wording(
    name="tls-or-auth-needed",
    meaning=Meaning(reason=Reason.POLICY, fault=FineFault.POLICY),
    digit=5,
    phrases=phrases("""
        authentication required | authentication is required | must authenticate | auth required
        requires authentication | need to authenticate | not authenticated
    """),
)

POLICY = Wording(
    name="policy",
    meaning=Meaning(reason=Reason.POLICY, fault=FineFault.POLICY),
    is_weak=True,
    phrases=phrases("""
        policy | policies | administrative prohibition | administratively | administrative | transport rules
        transport rule | organization rule | rejected by rule | envelope blocked | header based | domain based
        prohibited by | violat | politique | politica | richtlinie | beleid | polityk | политик | 策略
        ポリシー | 정책
        rejete | rechazado | rejeitad | rifiutat | abgelehnt | verweigert | geweigerd | odrzucon | odmitnut
        avvisad | afvist | отклонен | запрещ | 拒绝 | 拒絕 | 拒否 | 거부
    """),
)

POLICY_WEAK = Wording(
    name="access-denied",
    meaning=Meaning(reason=Reason.RECIPIENT_REFUSED, fault=FineFault.POLICY),
    digit=5,
    is_weak=True,
    phrases=phrases("""
        access denied | access refused | access not allowed | recipient & denied | recipients & rejected
        address rejected & not allowed
    """),
)

REFUSED_WEAK = Wording(
    name="refused",
    meaning=Meaning(reason=Reason.POLICY, fault=FineFault.POLICY),
    digit=5,
    is_weak=True,
    phrases=phrases("""
        blocked | denied | refused | prohibited | forbidden | not permitted | not allowed | not authorized
        not authorised | unauthorized | not accepted | rejected | declined | disallowed
    """),
)

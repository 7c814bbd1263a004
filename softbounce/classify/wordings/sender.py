"""Wordings about the sender: its reputation, its rate, its DNS, its authentication, its address."""

from __future__ import annotations

from softbounce.classify.wording import Wording, phrases
from softbounce.meaning import Meaning
from softbounce.verdict import FineFault, Reason

__all__ = [
    "AUTH",
    "AUTH_CHECK_FAILED",
    "RATE_OF_SENDER",
    "RELAY",
    "REPUTATION",
    "SENDER_BLOCKED",
    "SENDER_DNS",
    "SENDER_REFUSED",
]

CONFIG = FineFault.SENDER_CONFIG
REPUTED = FineFault.SENDER_REPUTATION

AUTH_CHECK_FAILED = Wording(
    name="auth-check-failed",
    meaning=Meaning(reason=Reason.AUTH, fault=FineFault.RECEIVER_SYSTEM),
    digit=4,
    phrases=phrases("""
        =spf & temp | =dkim & temp | =dmarc & temp | =spf & timeout | =spf & dns | =dkim & dns | =dmarc & dns
        =spf & try again | =dkim & try again | =dmarc & try again | =dkim & unavailable
    """),
)

AUTH = Wording(
    name="sender-not-authenticated",
    meaning=Meaning(reason=Reason.AUTH, fault=CONFIG),
    phrases=phrases("""
        dmarc | =spf | =dkim | domainkeys | sender policy framework | sender id & fail | senderid | spoof
        forged | unauthenticated email | unauthenticated mail | unauthenticated message
        message not authenticated | email & authenticat & required | not pass authentication
        authentication checks | authentication check | arc chain | doesn t allow sending mail
        does not allow sending mail | not permitted by the domain owner | is not allowed to send mail from
        not authorized to send mail from | not authorised to send mail from | not designated | impersonat
        usurpation
    """),
    links=phrases("""
        unauthenticatedemail | openspf | open spf
    """),
)

SENDER_DNS = Wording(
    name="sender-dns",
    meaning=Meaning(reason=Reason.SENDER_DNS, fault=CONFIG),
    phrases=phrases("""
        reverse dns | =rdns | reverse lookup | reverse hostname | reverse name | reverse record | reverse ip
        reverse map | reverse entry | reverse address | dns reverse | =ptr | ptr record | fcrdns
        forward confirmed | cannot find your | can t find your | could not find your | cannot resolve your
        could not resolve your | unable to resolve your | hostname & does not match | no hostname
        generic hostname | helo & rejected | ehlo & rejected | helo & invalid | ehlo & invalid | invalid helo
        invalid ehlo | bad helo | helo & not & found | helo & resolv | ehlo & resolv | helo & fully qualified
        ehlo & fully qualified | helo & syntax | helo & mismatch | helo & match | need fully qualified hostname
        valid sender domain | sender domain & exist | sender domain & resolv | sender domain & found
        sender domain & mx | sender domain & dns | sender domain must | sender s domain & exist
        sender s domain & resolv | sender s domain & mx | sender s dns | sender & domain not found
        sender & domain & not exist | sender & domain & resolv | sender & domain & does not have
        sender & no mx | sender & host not found | sender & dns | sender & unresolv | sender & null mx
        sender & nullmx | domain of sender | domain of the sender | domain of your | domain name & resolv
        does not resolve | doesn t resolve | unresolvable | unresolveable | not resolvable | no dns
        your domain & dns | mx or a | dns & resource record | envelope sender domain
        mail from & domain & exist | return path & domain | absender & domain | dominio & remitente & exist
        domaine & expediteur
    """),
)

SENDER_REFUSED = Wording(
    name="sender-refused",
    meaning=Meaning(reason=Reason.SENDER_REFUSED, fault=CONFIG),
    phrases=phrases("""
        sender address rejected | sender rejected | sender address & rejected | sender address & invalid
        sender address & not & exist | sender address syntax | sender address is not | bad sender
        invalid sender | sender invalid | sender is invalid | sender unknown | as this sender | badmailfrom
        bad mail from | envelope sender is | name required for sender | not allowed to send as
        required for sender | unknown sender | sender not found | sender does not exist | sender & doesn t exist
        sender verify failed | sender verification failed | sender & verif | sender is not | sender not allowed
        sender not authorized | sender not authorised | sender denied | sender refused | sender was rejected
        sender & not accepted | sender & not permitted | empty envelope senders | null sender | empty sender
        return address | from address & not & own | not owned by user | mail from & invalid
        emetteur & invalide | expediteur & invalide | expediteur & refuse | expediteur inconnu
        remitente & rechaz | remitente & invalid | remitente & desconocid | remetente & invalid
        remetente & rejeitad | mittente & non | mittente sconosciuto | mittente rifiutato | absender & unbekannt
        absender & ungultig | absender & abgelehnt | отправител & отклонен | отправител & не существует
        адрес отправителя | 发件人 | 寄件者 | 送信者
    """),
)

SENDER_BLOCKED = Wording(
    name="sender-blocked",
    meaning=Meaning(reason=Reason.SENDER_REFUSED, fault=FineFault.POLICY),
    phrases=phrases("""
        blocked senders | blocked sender | block sender | block send er | sender blocked | sender is blocked
        sender has been blocked | sender address blocked | sender & blacklisted by | user entry
        bloqued by user
    """),
)

RATE_OF_SENDER = Wording(
    name="rate-limit-sender",
    meaning=Meaning(reason=Reason.RATE_LIMIT, fault=REPUTED),
    retries=True,
    phrases=phrases("""
        rate limit | ratelimit | rate limited | rate limiting | rate & exceed | rate control | exceeded & rate
        exceeding & rate | unusual rate | high rate | sending rate | message rate | mail rate | delivery rate
        rate too high | too high rate | at a rate | excessive volume | excessive & rate | excessive number
        unusual volume | high volume | volume & limit | volume & exceed | frequency limit | frequency
        too frequent | too many messages | too many emails | too many mails | too many msgs | too many mail
        too much mail | too many requests | too many commands | too many deliveries | too many attempts
        too many unknown | too many invalid | too many bad | too many spam | too many recipients & sender
        too fast | too quickly | slow down | throttl | sending limit | hourly limit | daily limit
        hourly & limit | daily & limit | per hour | per day | per minute | message limit | mail limit
        email limit | sender & exceed & limit | sender & reached & limit | limit & number of messages
        limit & number of emails | limit & messages | maximum number of messages | maximum number of emails
        maximum messages | messages & exceeded & limit | send less | flood | trop de messages | trop de mails
        demasiados mensajes | demasiados correos | muitas mensagens | limite & envios | limite de envi
        troppi messaggi | zu viele nachrichten | zu viele mails | zu viele e mails | zu viele emails
        слишком много | слишком часто | превышен & лимит | 频率 | 发送过多 | 頻度 | 送信数 | 送信制限
    """),
    links=phrases("""
        ratelimit | unsolicitedrate
    """),
)

REPUTATION = Wording(
    name="sender-reputation",
    meaning=Meaning(reason=Reason.IP_REPUTATION, fault=REPUTED),
    phrases=phrases("""
        blocklist | block list | blacklist | black list | denylist | deny list | block listed | blocked using
        blocked by using | blocked for spam | blocked for abuse | blocked due to spam | block for spam
        blocked & reputation | listed in | listed by | listed at | listed on | is listed | currently listed
        spamhaus | spamcop | sorbs | barracuda & reputation | barracudacentral | uceprotect | senderbase
        sender score | senderscore | cloudmark sender | truncate gbudb | spamrats | invaluement | abuseat
        mailspike | =rbl | =dnsbl | =dnsbls | =rbls | =sbl | =xbl | =pbl | =cbl | =drbl | real time block
        realtime block | reputation | your ip & block | your ip & reject | your ip & spam | your ip & banned
        your ip & denied | your ip & not allowed | =ip & =banned | banned & =ip | banned sending | banned sender
        =banned & host | ip address & block | ip address & reject | ip address & refuse | ip address & denied
        ip address & not allowed | ip address & not accepted | =ip & temporarily blocked | =ip & blacklist
        =ip & has been blocked | =ip is blocked | =ip blocked | =ip based | client host & blocked
        client host & rejected | client & blocked | client ip | host & blocked | host is blocked
        server & blocked | server & block | sending server & spam | network is on | network & block
        connection & blocked | connection refused & spam | connections will not be accepted
        connections not accepted from | not accepting connections from | not accept connections from
        not accept mail from | not accepting mail from | no longer accept mail from | mail from & refused
        mail from your | messages from & weren t sent | messages from & temporarily deferred
        not allowed to connect | not permitted to connect | connect & denied | refused to talk to
        refuse to talk | go away | dynamic ip | dynamic address | dynamic pool | dynamically assigned
        dynamic host | dialup | dial up | dynamic & residential | residential | open proxy | open relay & listed
        compromised | botnet | spam source | source of spam | spam sender | spammer | sending spam | sent spam
        spam from your | spam incident | incident & spam | spamming | suspicious activity | user complaints
        complaints | abuse from | abusive | abuse & blocked | bad sender ip | poor & score | untrusted
        lookup failed & =ip | unsolicited & =ip address
        # other languages
        sperrliste | gesperrt & =ip | ip adresse & gesperrt | liste noire | =ip & bloque | adresse ip
        lista negra | lista nera | =ip & bloquead | =ip & bloccat | zwarte lijst | czarn & list | черн & спис
        ip адрес & заблокирован | 黑名单 | 黑名單 | ブラックリスト | 블랙리스트 | kara liste
    """),
    links=phrases("""
        spamhaus | spamcop | barracudacentral | sorbs | uceprotect | cloudmark | senderscore | senderbase
        sender office com | blacklist | blocklist | dnsbl | =rbl | reputation | delist | ipcheck proofpoint
        unsolicitedip
    """),
)

RELAY = Wording(
    name="relay-denied",
    meaning=Meaning(reason=Reason.RELAY_DENIED, fault=FineFault.POLICY),
    phrases=phrases("""
        relay access denied | relay denied | relay not permitted | relay not allowed | relay prohibited
        relay refused | relay rejected | relay is not | relay access | relay operation | relay & denied
        relay & permission | relay & not permitted | relay & not allowed | relay & authori | relay & authenticat
        relay & prohibit | relaying denied | relaying & not | relaying & denied | relaying disallowed
        relaying prohibited | relaying to | relaying is | relaying mail | unable to relay | cannot relay
        can t relay | not relay | don t relay | doesn t relay | no relay | no relaying | open relay not
        as a relay | to relay | third party relay | rcpthosts | not a gateway | not local & not & gateway
        we do not handle mail for | not handle mail for | domain is not local | not a local domain
        not one of my domains | mail to this domain | relais | weiterleitung & nicht | relay & nicht
        retransmision | релей | 转发 | 中継
    """),
)

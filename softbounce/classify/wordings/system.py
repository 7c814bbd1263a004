"""Wordings about the receiving system: greylisting, its limits, its own trouble, the network."""

# ruff: noqa: RUF001 - other alphabets than ours are meant

from __future__ import annotations

from softbounce.classify.wording import Wording, phrases
from softbounce.meaning import Meaning
from softbounce.verdict import FineFault, Reason

__all__ = [
    "BLOCKLIST_ERROR",
    "GREYLIST",
    "GREYLIST_HINT",
    "NETWORK",
    "ONE_DOMAIN",
    "RATE_OF_RECIPIENT",
    "RATE_OF_SYSTEM",
    "RECIPIENT_SYSTEM",
    "SAYS_LATER",
    "SYSTEM",
    "SYSTEM_SPACE",
    "SYSTEM_WEAK",
    "TOO_MANY_ERRORS",
]

RECEIVER = FineFault.RECEIVER_SYSTEM

BLOCKLIST_ERROR = Wording(
    name="blocklist-lookup-failed",
    # The receiver asked a blocklist and took its refusal for a listing. Spamhaus answers 127.255.255.0/24 with
    # "Error: ..." and a link to /returnc/, URIBL 127.0.0.1 with "Query Refused"; lists that were shut down list all.
    # spamhaus.org/faqs/dnsbl-usage, uribl.com/refused.shtml
    meaning=Meaning(reason=Reason.SYSTEM, fault=RECEIVER),
    retries=True,
    phrases=phrases("""
        open resolver | public resolver | shared resolver | public dns resolver | public dns server | 127 255 255
        query refused | queries refused | queries & refused by & list | query was refused | query blocked
        query was blocked | query to & was blocked | queries are blocked | queries blocked | dns query & limit
        query limit | query quota | query volume | quer & volume limit | excessive queries
        excessive number of queries | excessive query | excess queries | too many queries | excessive dns quer
        too many dns quer | uribl blocked | uribl & 127 0 0 1 | surbl & 127 0 0 1 | surbl & access blocked
        typing error & dnsbl | your dns ip
        dnsbl lookup fail | rbl lookup fail | blacklist lookup fail | blocklist lookup fail | dnsbl query fail
        dnsbl lookup error | rbl lookup error | blacklist lookup error | blocklist lookup error | rbl query fail
        dnsbl query error | rbl query error | dnsbl timeout | rbl timeout | dnsbl timed out | rbl timed out
        dnsbl & servfail | rbl & servfail | dnsbl lookup & timed out | rbl lookup & timed out
        dnsbl check fail | rbl check fail | dnsbl server & not respond | rbl server & not respond
        list has been shut down | dnsbl has been shut down | rbl has been shut down | list shut down
        was shut down & remove | shut down & stop using | has been & decommissioned & remove
        list is dead | list is no longer in service | remove & from your mailserver
        remove & from your mail server | stop using this list
    """),
    links=phrases("""
        returnc | uribl & refused | dnsbl block
    """),
)

GREYLIST = Wording(
    name="greylist",
    meaning=Meaning(reason=Reason.GREYLIST, fault=RECEIVER),
    retries=True,
    phrases=phrases("""
        greylist | graylist | graulist | greyliste | grey list | gray list | grey listing | gray listing
        greyisting | postgrey | milter greylist | sqlgrey | liste grise | listes grises | lista gris
        lista grig | lista cinza | listas grises | graue liste | grauliste | szara lista | szarej liscie
        grijze lijst | серый список | серых списк | серого списк | грейлист | 灰名单 | 灰名單 | グレイリスト
        グレーリスト
        first time & sender | first contact | not yet authorized to deliver | triplet | early retry
        retrying too soon
    """),
    links=phrases("""
        greylist | graylist | postgrey
    """),
)

GREYLIST_HINT = Wording(
    name="greylist-hint",
    meaning=Meaning(reason=Reason.GREYLIST, fault=RECEIVER),
    retries=True,
    phrases=phrases("""
        come back in | retry timeout | try again in & minute | try again in & second | try again after & minute
        try again after & second | please retry in | retry in & second | retry in & minute
        retry after & second | wait & seconds & retry | wait & minutes | too soon
    """),
)

RATE_OF_RECIPIENT = Wording(
    name="rate-limit-recipient",
    meaning=Meaning(reason=Reason.RATE_LIMIT, fault=FineFault.RECIPIENT),
    retries=True,
    phrases=phrases("""
        receiving mail at a rate | receiving mail too | receiving messages too | receiving & too quickly
        recipient & rate | recipient has exceeded | recipient has reached | =user & receiving & rate
        recipient thread limit | recipient & too many messages | recipient & throttl | mailbox & rate
        mailbox & throttl | too many recent messages
    """),
    links=phrases("receivingrate"),
)

RATE_OF_SYSTEM = Wording(
    name="rate-limit-system",
    meaning=Meaning(reason=Reason.RATE_LIMIT, fault=RECEIVER),
    retries=True,
    phrases=phrases("""
        too many connections | too many concurrent | too many simultaneous | too many sessions | too many open
        too many smtp | too many connects | too many parallel | concurrent connection | simultaneous connection
        concurrent smtp | maximum & connections | connections & exceeded | connection & limit | connection limit
        connections & limit | connection rate | connection frequency | connection count | session limit
        sessions & limit | per connection | per session | messages per connection | too many recipients
        too many rcpt | too many messages in this | too many transactions | many recipients
        maximum & recipients | recipients & limit | recipient limit | recipients exceeded | queue quota
        trop de connexions | trop de destinataires | demasiadas conexiones | demasiados destinatarios
        muitas conexoes | troppe connessioni | troppi destinatari | zu viele verbindungen | zu viele empfanger
        слишком много соединений | слишком много подключений | слишком много получателей | 连接数 | 连接过多
        接続数
    """),
)

ONE_DOMAIN = Wording(
    name="one-domain-a-transaction",
    meaning=Meaning(reason=Reason.PROTOCOL, fault=FineFault.MESSAGE),
    retries=True,
    phrases=phrases("""
        multiple destination domain | multiple recipient domain | multiple domains & transaction
        multiple domains & per & message | multiple domains & session | multiple domains & not supported
        multiple domains & unsupported | multiple domains & not allowed | one & domain & per transaction
        one & domain & per message | one & domain & per session | one domain at a time | single & domain & per
        single domain & transaction | different domains & transaction | different domains & same message
        more than one & domain & transaction | more than one & domain & message | too many & domains & transaction
        too many & domains & message | too many recipient domains | too many destination domains
        too many domains & session | too many different domains | recipients & same domain & transaction
    """),
)

TOO_MANY_ERRORS = Wording(
    name="too-many-errors",
    meaning=Meaning(reason=Reason.PROTOCOL, fault=RECEIVER),
    phrases=phrases("""
        too many errors | too many protocol errors | too many failures | error limit
    """),
)

SYSTEM_SPACE = Wording(
    name="system-space",
    meaning=Meaning(reason=Reason.SYSTEM, fault=RECEIVER),
    phrases=phrases("""
        no space left | disk full | disk is full | system storage | system resources | system is full
        insufficient disk | insufficient space | insufficient system | insufficient storage | out of memory
        out of disk | low on disk | low disk | cannot allocate memory | filesystem full | file system full
        queue full | queue is full | spool | server & out of space | no storage
    """),
)

RECIPIENT_SYSTEM = Wording(
    name="recipient-unavailable-now",
    meaning=Meaning(reason=Reason.SYSTEM, fault=FineFault.RECIPIENT),
    digit=4,
    phrases=phrases("""
        recipient temporarily unavailable | recipient & temporarily unavailable
        mailbox temporarily unavailable | mailbox is temporarily | mailbox temporarily | mailbox busy
        mailbox is busy | mailbox locked | mailbox is locked | mailbox unavailable | user temporarily
        account temporarily | account is temporarily
    """),
)

NETWORK = Wording(
    name="network",
    meaning=Meaning(reason=Reason.NETWORK, fault=RECEIVER),
    phrases=phrases("""
        connection timed out | connection timeout | connection refused | connection reset | connection dropped
        connection closed | connection lost | connection failed | connection & failed | connection failure
        connection error | connect failed | socket error | socketerror | timed out | timeout exceeded
        timeout waiting | idle timeout | idle too long | inactivity timeout | session timeout | =timeout
        time out | no route | unreachable | network error | network problem | network failure | message expired
        expired & retry | delivery time expired | could not connect | cannot connect | can t connect
        unable to connect | failed to connect | host down | host is down | no answer from | not responding
        did not respond | delai depasse | tiempo de espera | tempo esgotado | tempo limite | zeituberschreitung
        время ожидания | 超时 | 逾時 | タイムアウト
    """),
)

SYSTEM = Wording(
    name="system-trouble",
    meaning=Meaning(reason=Reason.SYSTEM, fault=RECEIVER),
    is_weak=True,
    phrases=phrases("""
        internal error | internal server | internal resource | internal problem | internal failure
        internal software | system error | system failure | system problem | system config | system busy
        system not accepting | system is not accepting | system unavailable | system currently | system shutdown
        server error | server failure | server problem | server unavailable | server is busy | server busy
        server too busy | server is currently | server shutting | server going down | server configuration
        server is down | server overload | server is overload | configuration error | config error
        configuration problem | misconfigur | local error | local problem | local configuration
        local delivery failed | error in processing | processing error | error while processing
        could not process | unable to process | cannot process | queue file | write error | cannot write
        read error | i o error | database | ldap | backend | back end | lookup failure | lookup error
        lookup failed | lookup timed out | directory & unavailable | directory server | dns error | dns failure
        dns lookup | dns timeout | temporary dns | name server | resources temporarily | resources & unavailable
        insufficient resources | out of resources | resource & limit | milter | scanner | maintenance | overload
        high load | load too high | load average | system load | too busy | shutting down | shutdown
        restarting | not accepting messages | not accepting network | not accepting mail | not accepting email
        license expired | licence expired | replicated | try another | unexpected error | unexpected failure
        unknown error | unspecified error | software error | service currently unavailable
        service is currently | service is unavailable | temporary server | temporary system | temporary local
        temporary failure | temporary error | temporary problem | temporary resource | temporary & failure
        temporary & error | temporarily rejected | temporarily unable | closing transmission channel
        unable to & forward | unable to correctly | tls not available | failed to start tls | erreur interne
        erreur systeme | error interno | error del sistema | erro interno | errore interno | interner fehler
        systemfehler | interne fout | внутренняя ошибка | системная ошибка | 系统繁忙 | 系统错误 | 系統忙
        システムエラー | 内部エラー
        시스템 오류
    """),
)

LATER = """
    try again later | try again | try later | try it later | retry later | retry again | please retry
    come back later | temporarily deferred | temporarily unavailable | temporarily blocked
    temporarily rejected | temporarily refused | temporarily rate | temporarily suspended | temporarily disabled
    temporarily not | temporarily unable | temporary failure | temporary error | temporary problem
    temporary server | temporary system | temporary local | temporary block | temporary resource | temporary dns
    resend & later | reessayez | ressayer | reessayer | plus tard | intentelo | intente | mas tarde
    tente novamente | mais tarde | piu tardi | riprova | spaeter | spater | erneut versuchen | probeer het later
    later opnieuw | sprobuj pozniej | sprobuj ponownie | zkuste | forsok igen | prov igen | prøv igen
    prøv igjen | yrita | daha sonra | tekrar dene | позже | попозже | повторите | 稍后 | 稍後 | 再试 | 再試
    後で | 후에 다시
    다시 시도 | 나중에
"""

SYSTEM_WEAK = Wording(
    name="says-not-now",
    meaning=Meaning(reason=Reason.SYSTEM, fault=RECEIVER),
    is_weak=True,
    phrases=phrases(
        LATER
        + """
        temporar | =later | not available | unavailable | busy | deferred | delayed | momentan | momentane
        vorubergehend | voruebergehend | provisoir | tijdelijk | tymczasow | docasn | tillfallig | midlertidig
        gecici | временн | 暂时 | 暫時 | 一時的 | 일시적
    """,
    ),
)

SAYS_LATER = Wording(
    name="says-try-later",
    meaning=Meaning(reason=Reason.SYSTEM, fault=RECEIVER),
    retries=True,
    digit=5,
    is_weak=True,
    phrases=phrases(LATER),
)

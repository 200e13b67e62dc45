"""Queries that every store has to answer alike, by what they ask for."""

WORDS = """
refused | Refused | REFUSED | refuse | api_key | "connection refused" | "refused connection" | "refused api_key x"
message:refused | refuse* | *fused | ref?sed | ref??sed | connection*refused | GRÖSSE | größe | GRÖßE | straße | σοφοσ
İstanbul | istanbul | 日本語 | 日本* | 5 | 3? | "a b" | "a b c" | "b a" | a | -refused | NOT refused | message:* | NOT message:*
TimeoutError | timeouterror | Timeout* | KeyError | "TypeError: no function" | error.message:bad | error.type:*Error
error.type:TimeoutError | error.stack_trace:function | wordword* | ?????? | w*d*w* | "one two" | "two three"
inside | "refused api_key" -größe | "signed in from" | user_0353 | "session d7210dff ends"
literal | "*? literal" | quotes | nothing_like_this | "retry in 3s" | app-*.py | error.type:*Timeout* | "path /api/v1"
error.message:(plain OR bad) | text | event.reason:JSON | loguru | "boom in"
"""

KEYWORDS = """
level:ERROR | level:error | level:E* | level:?RROR | level:RROR | NOT level:ERROR | level:* | NOT level:*
level:(error OR WARN) | level:[E TO F] | level:{E TO F} | level:40 | log.level:error | log.level:e* | NOT log.level:info
log.level:(warning OR critical) | user_id:u5 | user_id:u? | user_id:5 | user_id:true | user_id:"" | user_id:"ünï" | user_id:?nï
user_id:long* | user_id:*xxx | user_id:* | NOT user_id:* | user_id:user_03* | user_id:[u TO v} | user_id:abc | user_id:"abc def"
user_id:"a*b" | user_id:a\\*b | user_id:a*b | user_id:"a\\\\b" | user_id:"{" | user_id:"12345678.0" | user_id:9007199254740993
user_id:"1000.0" | user_id:0.5 | logger:app.* | logger:app.chat | module:auth AND level:WARNING | http.request.method:GET
url.path:"/docs" | url.path:/a* | log.origin.function:f | event.kind:pipeline_error | event.dataset:app | event.id:*-0
event.timestamp_source:* | gen_ai.provider.name:openai | provider:(openai OR anthropic) NOT model:gpt*
"""

NUMBERS = """
duration_ms:>500 | duration_ms:>=500 | duration_ms:500 | duration_ms:500.5 | duration_ms:[500 TO 1000} | duration_ms:<501
duration_ms:* | NOT duration_ms:>0 | duration_ms:{500 TO 501} | line:5 | line:>100 | line:-2 | line:12 | line:>=9223372036854775807
line:* | line:<0 | http.response.status_code:200 | http.response.status_code:>=400 | http.response.status_code:[500 TO 599]
NOT http.response.status_code:* | status_code:200 | status_code:"200" | status_code:abc | status_code:>300 | status_code:*
event.duration:>0 | event.duration:12000000 | seq:5 | seq:[10 TO 12] | seq:<3 | n:1.5 | n:1.50 | big:* | log.offset:0
log.offset:>1000 | source.port:>0
"""

ODD = " | ".join(
    query.replace("F", field)
    for field in ("first_text", "first_number", "first_true")
    for query in (
        "F:abc", "F:*", "NOT F:*", "F:5", 'F:"5"', "F:5.0", "F:>4", "F:<0", "F:[0 TO 10]", "F:true", "F:false", "F:a*", "F:*b*",
        "F:?bc", "F:null", "F:NaN", "F:9007199254740993", "F:9007199254740992", "F:>9007199254740992", "F:9223372036854775807",
        "F:0.5", "F:1000", "F:[a TO b]", "F:b", "F.b:abc", "F.b:5", "F.b:*", "NOT F.b:5", "F.c:*", "F.b.c:deep", "F:x", "F:long*",
        "NOT F:abc", "NOT F:5", 'F:"{"', r"F:\{*", r"F:\[*", 'F:"[1]"', "F:2025-11-20", "F:10.1.2.3", "F:>=-5 NOT F:5", 'F:""',
    )
)  # fmt: skip

TIMES = """
@timestamp:2025-11-20 | @timestamp:>2025-11-20 | @timestamp:[2025-11-20T10:00:00Z TO *] | @timestamp:"2025-11-20T10:01:00"
@timestamp:"2025-11-20T10:00:01.123456Z" | @timestamp:"2025-11-20T10:01:00.123456Z" | @timestamp:{* TO 2025-11-20}
@timestamp:[2025-11-20T10:00:09Z TO 2025-11-20T10:00:09Z] | @timestamp:1960 | @timestamp:>1960 | @timestamp:<2900 | @timestamp:2300
timestamp:2025-11-20 | timestamp:>=2025-11-20T10:00:00Z | timestamp:* | timestamp:1999 | NOT timestamp:2025 | event.ingested:>2020
@timestamp:2025-11 | asctime:*
"""

ADDRESSES = """
source.ip:10.1.2.3 | source.ip:"10.0.0.0/8" | source.ip:"10.1.2.0/30" | source.ip:[10.1.2.4 TO 10.255.0.0] | source.ip:"0:0::1"
source.ip:"::1" | NOT source.ip:"10.0.0.0/8" | NOT source.ip:10.1.2.3 | source.ip:* | source.ip:"::ffff:127.0.0.1"
NOT source.ip:* | source.ip:[* TO 20.0.0.0] | source.ip:127.0.0.1 | source.ip:"127.0.0.0/8" | req.remoteAddress:"::ffff:127.0.0.1"
"""

OBJECTS = """
event:* | event:failed | event:"user logged in" | event:*logged* | event.action:login | user:* | user:bob | user.id:u3 | user:*e*
error:* | error:"plain text error" | http:* | record:* | record.level.name:ERROR | record.extra.model:gpt* | record.level.no:>30
req.url:* | req:* | res.statusCode:200 | err.type:TypeError | labels.env:prod | labels.env:* | labels.team:a | labels.team:c
labels.n:5 | labels.n:7 | labels.region:"eu west" | labels.region:eu* | labels.env:stage | NOT labels.env:prod | labels.a.b.c:deep
labels.team:d | NOT labels.region:* | labels.n:>5 | labels:plain | log.origin.file.line:3 | log:* | health.environment.debug:true | health.environment.debug:perhaps
health.environment.debug:* | health.services.database.status:connected | weird\\/\\~\\"\\*':abc | ключ:значение | a\\ b:c | x.y.z:1
x.y.w:2 | x.y:* | x:* | exception:* | ecs.version:1.6.0 | hostname:h | gone:* | NOT gone:* | gone.deeper:1 | message.text:inside
message.n:5 | seq2:5
"""

TOGETHER = """
* | level:ERROR timeout | level:(ERROR OR WARNING) NOT user_id:* | (refused OR timeout) AND NOT level:INFO
NOT (level:INFO OR level:DEBUG) | NOT NOT level:ERROR | (user_id:u5 OR user_id:u6) -message:v | level:ERROR OR duration_ms:>50000
NOT (user_id:user_0* AND NOT level:INFO) | ((a OR b) (c OR 5)) OR NOT (level:INFO refused) | first_text:abc OR first_number:5
NOT (first_text:>4 OR first_number:abc) | same seq:[1 TO 3] | message:same -seq:>4 | NOT (event.action:login) event:*
"""


def table(text):
    """The queries of a table, in order."""
    return [query.strip() for line in text.strip().splitlines() for query in line.split(" | ") if query.strip()]


QUERIES = [
    query for text in (WORDS, KEYWORDS, NUMBERS, ODD, TIMES, ADDRESSES, OBJECTS, TOGETHER) for query in table(text)
]

CUTS = [
    ("2025-11-20T10:01:00.123456Z", None),
    (None, "2025-11-20T10:01:00.123456Z"),
    ("2025-11-20T10:00:09Z", "2025-11-20T10:01:00Z"),
    ("2025-11-21", None),
    (None, "2025-11-21"),
    ("1960-01-01", "2500-01-01"),
    ("2025-11-20T23:59:59.999Z", "2025-11-21T00:00:00.001Z"),
]
"""`since` and `until` that cut `odd_lines` in two, at a record, and between days."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.enrich.address import address
from shipper.enrich.extract import from_message
from tests.enrich import plain_extract

SHORT = {
    "ip": "source.ip",
    "port": "source.port",
    "user": "user.name",
    "method": "http.request.method",
    "path": "url.path",
    "query": "url.query",
    "status": "http.response.status_code",
    "agent": "user_agent.original",
}

MESSAGES = [
    (
        'INFO:     127.0.0.1:60084 - "GET /docs?x=1 HTTP/1.1" 200 OK',
        {"ip": "127.0.0.1", "port": 60084, "method": "GET", "path": "/docs", "query": "x=1", "status": 200},
    ),
    (
        'INFO:     ::1:6008 - "POST /api/chat HTTP/1.1" 429 Too Many Requests',
        {"ip": "::1", "port": 6008, "method": "POST", "path": "/api/chat", "status": 429},
    ),
    (
        'INFO:     ::ffff:10.1.2.3:6008 - "GET /a HTTP/1.1" 401 Unauthorized',
        {"ip": "10.1.2.3", "port": 6008, "method": "GET", "path": "/a", "status": 401},
    ),
    ("Failed password for bob from ::ffff:10.1.2.3 port 22 ssh2", {"user": "bob", "ip": "10.1.2.3", "port": 22}),
    ("client_ip=[::FFFF:10.1.2.3]:80", {"ip": "10.1.2.3", "port": 80}),
    (
        'INFO:     [2001:db8::7]:6008 - "GET / HTTP/2" 204',
        {"ip": "2001:db8::7", "port": 6008, "method": "GET", "path": "/", "status": 204},
    ),
    (
        '\x1b[32mINFO\x1b[0m:     10.1.2.3:1 - "\x1b[1mGET /a HTTP/1.1\x1b[0m" \x1b[31m404 Not Found\x1b[0m',
        {"ip": "10.1.2.3", "port": 1, "method": "GET", "path": "/a", "status": 404},
    ),
    (
        '203.0.113.9 - bob [10/Oct/2025:13:55:36 +0000] "GET /a?b=c HTTP/1.1" 401 12 "http://x/" "curl/8.1"',
        {
            "ip": "203.0.113.9",
            "user": "bob",
            "method": "GET",
            "path": "/a",
            "query": "b=c",
            "status": 401,
            "agent": "curl/8.1",
        },
    ),
    (
        '203.0.113.9 - - [10/Oct/2025:13:55:36 +0000] "GET /x?id=1 OR 1=1 -- HTTP/1.0" 500 - "-" "-"',
        {"ip": "203.0.113.9", "method": "GET", "path": "/x", "query": "id=1 OR 1=1 --", "status": 500},
    ),
    (
        "GET /api/x?y=1 200 from 10.0.0.1",
        {"ip": "10.0.0.1", "method": "GET", "path": "/api/x", "query": "y=1", "status": 200},
    ),
    (
        "GET /api/users?name=admin'-- 400 from 198.51.100.2",
        {
            "ip": "198.51.100.2",
            "method": "GET",
            "path": "/api/users",
            "query": "name=admin'--",
            "status": 400,
        },
    ),
    (
        "POST /api/chat 200 from 10.0.1.2, request id 0123abcd, 12 bytes sent",
        {"ip": "10.0.1.2", "method": "POST", "path": "/api/chat", "status": 200},
    ),
    (
        "DELETE /api/items/7 -> 403 in 12 ms",
        {"method": "DELETE", "path": "/api/items/7", "status": 403},
    ),
    ("GET /slow took 300 ms", {"method": "GET", "path": "/slow"}),
    ("PUT /a, status=201", {"method": "PUT", "path": "/a", "status": 201}),
    (
        'HTTP Request: POST https://api.example.com/v1/chat?stream=1 "HTTP/1.1 429 Too Many Requests"',
        {"method": "POST", "path": "/v1/chat", "query": "stream=1", "status": 429},
    ),
    ("wrote /tmp/x and read /etc/hosts", {}),
    ("Failed login attempt for user user_0012 from 203.0.113.7", {"user": "user_0012", "ip": "203.0.113.7"}),
    ("failed login for alice from 10.0.0.9", {"user": "alice", "ip": "10.0.0.9"}),
    ("Failed login attempt for alice@example.com from IP 10.0.0.9.", {"user": "alice@example.com", "ip": "10.0.0.9"}),
    ("login failed for user 'John Doe'", {"user": "John Doe"}),
    ('Login failed for user "sa": bad password', {"user": "sa"}),
    ("invalid credentials for bob.", {"user": "bob"}),
    ("Invalid credentials for user carol (ip: 10.9.8.7)", {"user": "carol", "ip": "10.9.8.7"}),
    ("authentication failed for user=dave ip=10.0.0.4", {"user": "dave", "ip": "10.0.0.4"}),
    (
        "Failed password for invalid user admin from 203.0.113.5 port 50022 ssh2",
        {"user": "admin", "ip": "203.0.113.5", "port": 50022},
    ),
    (
        "sshd[812]: Failed password for root from 2001:db8::5 port 22 ssh2",
        {"user": "root", "ip": "2001:db8::5", "port": 22},
    ),
    ("Invalid user oracle from 203.0.113.5 port 4022", {"user": "oracle", "ip": "203.0.113.5", "port": 4022}),
    ("Accepted publickey for git from 10.0.0.2 port 5 ssh2: RSA x", {"user": "git", "ip": "10.0.0.2", "port": 5}),
    (
        "pam_unix(sshd:auth): authentication failure; uid=0 ruser= rhost=203.0.113.8  user=root",
        {"user": "root", "ip": "203.0.113.8"},
    ),
    ("User user_0001 logged in from 10.0.3.4, token expires in 30 seconds", {"user": "user_0001", "ip": "10.0.3.4"}),
    ("username: erin", {"user": "erin"}),
    ("{'username': 'frank', 'password': 'x'}", {"user": "frank"}),
    ("client 10.0.0.1:1234 disconnected", {"ip": "10.0.0.1", "port": 1234}),
    ("client_ip=10.0.0.1", {"ip": "10.0.0.1"}),
    ("Rate limit at 40 percent for user user_0042, 17 requests", {"user": "user_0042"}),
    ("Authentication required for endpoint /x", {}),
    ("Password reset for the account", {}),
    ("login failed for user", {}),
    ("User logged in", {}),
    ("User logged in: alice", {}),
    ("User logged in, user=alice", {"user": "alice"}),
    ("User authentication failed", {}),
    ("Login failed: user does not exist", {}),
    ("Login failed: user disabled", {}),
    ("the user is unknown, credentials for 3 minutes", {}),
    ("from 999.0.0.1 and from 1.2.3", {}),
    ("skipping description of version 1.2.3.4", {}),
    ("read from 10.0.0.256 then from 10.0.0.25", {"ip": "10.0.0.25"}),
    ("", {}),
    ("Message sent", {}),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_a_message_tells(message, expected):
    """Who, from where, what was asked, what was answered; nothing that isn't there."""
    assert from_message(message) == {SHORT[name]: value for name, value in expected.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", ("10.0.0.1", None)),
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("10.0.0.1:0", ("10.0.0.1", None)),
        ("10.0.0.01", None),
        ("1.2.3.4.5", None),
        ("::1", ("::1", None)),
        ("[::1]:80", ("::1", 80)),
        ("::1:65000", ("::1", 65000)),
        ("::ffff:10.0.0.1", ("10.0.0.1", None)),
        ("::FFFF:10.0.0.1:80", ("10.0.0.1", 80)),
        ("[0:0:0:0:0:ffff:10.0.0.1]:80", ("10.0.0.1", 80)),
        ("::ffff:a00:1", ("::ffff:a00:1", None)),
        ("::10.0.0.1", ("::10.0.0.1", None)),
        ("64:ff9b::10.0.0.1", ("64:ff9b::10.0.0.1", None)),
        ("::ffff:10.0.0.256", None),
        ("fe80::1%eth0", None),
        ("12:30", None),
        ("abc", None),
        ("", None),
    ],
)
def test_an_address_is_one_or_is_not(text, expected):
    """Validated, not only matched."""
    assert address(text) == expected


WORDS = st.sampled_from(
    [
        "for",
        "user",
        "from",
        "10.0.0.1",
        "::1",
        "GET",
        "/a?b",
        "HTTP/1.1",
        '"',
        "'",
        "bob",
        "=",
        ":",
        "-",
        "login",
        " ",
        "ip",
        "200",
        "\x1b[1m",
    ]
)


@given(st.lists(WORDS | st.text(max_size=4), max_size=15))
def test_what_comes_out_stands_in_the_message(words):
    """Verbatim: rules look for it in the raw line."""
    for join in ("", " "):
        message = join.join(words)
        plain = message.replace("\x1b[1m", "")
        for value in from_message(message).values():
            assert str(value) in plain


HOSTILE = [
    "for user " * 120_000,
    "for" + " " * 1_000_000,
    "login for " + "a." * 500_000,
    "user" + "'" * 1_000_000,
    "login user '" + "a" * 1_000_000,
    "from " * 200_000,
    "from " + "1." * 500_000,
    "ip=" * 300_000,
    "GET /" + "a" * 1_000_000,
    '"GET /' * 170_000,
    " /" * 500_000,
    "x - " * 250_000 + '"GET / HTTP/1.1" 200',
    "a" * 1_000_000 + ' - "GET / HTTP/1.1" 200',
    '1.1.1.1 - - "GET / HTTP/1.1" 200 1 "' + "a" * 1_000_000,
    "\x1b[" * 500_000,
    "ip:" + " " * 1_000_000,
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("message", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_comes_to_an_end(message):
    """A pattern that is not linear would run for hours on a megabyte."""
    assert len(message) > 500_000
    from_message(message)


EDGES = [
    "ip=1.2.3.4",
    "ip=::1",
    "ip::1",
    "HEAD /a 200",
    "PROPFIND http://h/a 207",
    "GET /a, 200",
    "GET /a?b=c, 200",
    "GET /a: 200",
    "GET /a?b=x://y/z 200",
    "GET / 200ms",
    "10.0.0.1 - GET /a 200",
    '10.0.0.256 - "GET /a HTTP/1.1" 200 5 "-" "curl"',
    '10.0.0.1 "GET /a HTTP/1.1" 200',
    '"GET /a HTTP/1.1" 200',
    '10.0.0.1 - "GET /a b HTTP/1.1" 200',
    *(f"{'user ' * count}user=bob" for count in (14, 15, 16, 17)),
    *(f"{'server ' * count}user bob login" for count in (14, 15, 16, 17)),
    *(f"login {'or ' * count}for bob" for count in (14, 15, 16, 17)),
    *(f"{'from x ' * count}from 10.0.0.1" for count in (14, 15, 16, 17)),
]


@pytest.mark.parametrize("message", EDGES)
def test_the_quick_way_agrees_where_it_turns_off(message):
    """Each gate and each limit, from both sides."""
    assert from_message(message) == plain_extract.from_message(message)


TELLING = st.sampled_from(
    [
        *(' /', '/a', '/a,b?c=d', '/a?b=c', '/a:b?c', '?x=http://y/z', ' http://h/p?q', '://', ' - ', ' - "', '- ', '"'),
        *('GET ', 'POST ', 'xGET ', 'DELETE ', 'T', 'D', ' HTTP/1.1"', ' HTTP/1.0" ', ' HTTP/2"', 'HTTP/1.1'),
        *(' 200', ' 200 ', '304', ' 404,', ' 599 ms', ' 200ms', ' 200 msx', ' 300 m', ' 0200', ' 20\u0665', ' -> 201', ' status=500'),
        *('10.0.0.1', '1.2.3.4', '10.0.0.01', '10.0.0.256', '1.2.3', '1.1.1.1.1', '::1', '[::1]:80', '::ffff:', 'fe80::1', '1:2', ':80', ':99999'),
        *('from ', 'From IP ', 'rom ', ' client ', 'client_ip', 'Client', 'xclient ', '_ip=', 'Ip: ', 'ip=', 'IP ', 'ip addr '),
        *('remote_addr=', 'rhost=', 'xrhost=', 'address ', 'ip_address: ', ' port 22', ' port 99999', '.', ',', ';', '\n', '\t'),
        *('user ', 'User ', 'ruser=', 'username: ', 'user_name=', 'user=', "user'", 'server', 'user_0001', 'bob', 'root', "'John Doe'"),
        *('for ', 'For ', 'or ', 'for user ', 'or user ', 'invalid user ', 'account ', '7', 'bob.', 'the'),
        *('login ', 'Logged in', 'authentication', 'password', 'credentials', 'publickey', 'sign-in', 'signed in', 'log', 'in'),
        *('\x1b[1m', '\x1b[', '[10/Oct/2025:13:55:36 +0000] ', ' 12 "-" "curl/8"', ' - "-" "-"', ' ', '  ', 'é', '=', ':', '-'),
    ]
)  # fmt: skip


@settings(max_examples=1500)
@given(st.lists(TELLING | st.text(max_size=2), max_size=12), st.sampled_from(["", " "]))
def test_the_quick_way_tells_what_the_plain_way_tells(words, join):
    """On any message: what is skipped or shortened could not have matched."""
    message = join.join(words)
    assert from_message(message) == plain_extract.from_message(message)


@given(st.sampled_from(MESSAGES), st.integers(0, 90), TELLING, st.integers(0, 20))
def test_the_quick_way_tells_the_same_of_messages_with_a_piece_put_in_or_left_out(case, at, piece, gone):
    """Near misses of the usual forms."""
    message = case[0][:at] + piece + case[0][at + gone :]
    assert from_message(message) == plain_extract.from_message(message)


@given(
    st.lists(
        st.text("0123456789abf.:[]%", max_size=6) | st.sampled_from(["10.0.0.1", "::ffff:", "::", "[::1]:80"]),
        max_size=4,
    )
)
def test_an_address_is_judged_as_before(parts):
    """The quick look at plain IPv4 changes no answer."""
    for join in ("", ".", ":"):
        text = join.join(parts)
        for port_follows in (False, True):
            expected = plain_extract.address(text, port_follows=port_follows)
            assert expected == address(text, port_follows=port_follows)

"""What common servers answer; see `field_messages`."""

from __future__ import annotations

from typing import Final

from tests.strategies.field_messages import FieldMessage, message

_DATE = "Date: Fri, 28 Nov 2026 16:00:00 GMT"
ANSWERS: Final = (
    FieldMessage(
        "nginx, a file",
        message(
            f"HTTP/1.1 200 OK\nServer: nginx/1.28.0\n{_DATE}\nContent-Type: text/html\n"
            'Content-Length: 5\nLast-Modified: Fri, 28 Nov 2025 16:00:00 GMT\nETag: "5f-1"\n'
            "Connection: keep-alive\nAccept-Ranges: bytes",
            b"hello",
        ),
    ),
    FieldMessage(
        "nginx, gzip",
        message(
            f"HTTP/1.1 200 OK\nServer: nginx\n{_DATE}\nContent-Type: text/html\n"
            "Transfer-Encoding: chunked\nConnection: keep-alive\nVary: Accept-Encoding\n"
            "Content-Encoding: gzip",
            b"5\r\nhello\r\n0\r\n\r\n",
        ),
    ),
    FieldMessage(
        "nginx, not modified",
        message(
            f"HTTP/1.1 304 Not Modified\nServer: nginx\n{_DATE}\nConnection: keep-alive\n"
            'ETag: "5f-1"'
        ),
    ),
    FieldMessage(
        "nginx, an error",
        message(
            f"HTTP/1.1 400 Bad Request\nServer: nginx\n{_DATE}\nContent-Type: text/html\n"
            "Content-Length: 5\nConnection: close",
            b"hello",
        ),
    ),
    FieldMessage(
        "Apache",
        message(
            f"HTTP/1.1 200 OK\n{_DATE}\nServer: Apache/2.4.65 (Debian)\nVary: Accept-Encoding\n"
            "Content-Length: 5\nKeep-Alive: timeout=5, max=100\nConnection: Keep-Alive\n"
            "Content-Type: text/html; charset=UTF-8",
            b"hello",
        ),
    ),
    FieldMessage(
        "Apache with HTTP/2",
        message(
            f"HTTP/1.1 200 OK\n{_DATE}\nServer: Apache\nUpgrade: h2,h2c\n"
            "Connection: Upgrade, Keep-Alive\nContent-Length: 5\nKeep-Alive: timeout=5, max=100",
            b"hello",
        ),
    ),
    FieldMessage(
        "gunicorn, sync",
        message(
            f"HTTP/1.1 200 OK\nServer: gunicorn\n{_DATE}\nConnection: close\n"
            "Content-Type: application/json\nContent-Length: 5",
            b"hello",
        ),
    ),
    FieldMessage(
        "gunicorn, threads",
        message(
            f"HTTP/1.1 200 OK\nServer: gunicorn\n{_DATE}\nConnection: keep-alive\n"
            "Content-Type: application/json\nContent-Length: 5",
            b"hello",
        ),
    ),
    FieldMessage(
        "uvicorn",
        message(
            f"HTTP/1.1 200 OK\n{_DATE.lower()}\nserver: uvicorn\ncontent-length: 5\n"
            "content-type: application/json",
            b"hello",
        ),
    ),
    FieldMessage(
        "Werkzeug",
        message(
            f"HTTP/1.1 200 OK\nServer: Werkzeug/3.1.3 Python/3.11.7\n{_DATE}\n"
            "Content-Type: text/html; charset=utf-8\nContent-Length: 5\nConnection: close",
            b"hello",
        ),
    ),
    FieldMessage(
        "http.server of Python",
        message(
            f"HTTP/1.0 200 OK\nServer: SimpleHTTP/0.6 Python/3.11.7\n{_DATE}\n"
            "Content-type: text/html\nContent-Length: 5",
            b"hello",
        ),
        is_straight=False,
    ),
    FieldMessage(
        "Express",
        message(
            "HTTP/1.1 200 OK\nX-Powered-By: Express\nContent-Type: application/json\n"
            f'Content-Length: 5\nETag: W/"5-4f2a"\n{_DATE}\nConnection: keep-alive\n'
            "Keep-Alive: timeout=5",
            b"hello",
        ),
    ),
    FieldMessage(
        "Node, no content",
        message(
            f"HTTP/1.1 204 No Content\n{_DATE}\nConnection: keep-alive\nKeep-Alive: timeout=5"
        ),
    ),
    FieldMessage(
        "Go",
        message(
            f"HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\n{_DATE}\n"
            "Content-Length: 5",
            b"hello",
        ),
    ),
    FieldMessage(
        "Tomcat",
        message(
            "HTTP/1.1 200 \nContent-Type: application/json\nTransfer-Encoding: chunked\n"
            f"{_DATE}\nKeep-Alive: timeout=60\nConnection: keep-alive",
            b"5\r\nhello\r\n0\r\n\r\n",
        ),
    ),
    FieldMessage(
        "PHP-FPM behind nginx",
        message(
            f"HTTP/1.1 200 OK\nServer: nginx\n{_DATE}\nContent-Type: text/html; charset=UTF-8\n"
            "Transfer-Encoding: chunked\nConnection: keep-alive\nX-Powered-By: PHP/8.4.8\n"
            "Set-Cookie: PHPSESSID=4f2a; path=/\nCache-Control: no-store, no-cache",
            b"5\r\nhello\r\n0\r\n\r\n",
        ),
    ),
    FieldMessage(
        "PHP's own server",
        message(
            f"HTTP/1.1 200 OK\nHost: a\n{_DATE}\nConnection: close\nX-Powered-By: PHP/8.4.8\n"
            "Content-type: text/html; charset=UTF-8",
            b"hello",
        ),
        is_straight=False,
    ),
    FieldMessage(
        "IIS",
        message(
            "HTTP/1.1 200 OK\nContent-Type: text/html\nServer: Microsoft-IIS/10.0\n"
            f"X-Powered-By: ASP.NET\n{_DATE}\nContent-Length: 5",
            b"hello",
        ),
    ),
    FieldMessage(
        "Kestrel",
        message(
            f"HTTP/1.1 200 OK\nContent-Type: application/json; charset=utf-8\n{_DATE}\n"
            "Server: Kestrel\nTransfer-Encoding: chunked",
            b"5\r\nhello\r\n0\r\n\r\n",
        ),
    ),
    FieldMessage(
        "Puma",
        message(
            "HTTP/1.1 302 Found\nlocation: https://shop.example/\ncontent-length: 5\n"
            "set-cookie: a=b; path=/; HttpOnly",
            b"hello",
        ),
    ),
)

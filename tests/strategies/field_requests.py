"""What common clients, and load balancers in front of us, ask; see `field_messages`."""

from __future__ import annotations

from typing import Final

from tests.strategies.field_messages import FieldMessage, message

_CHROMIUM = """GET /articles/7?page=2 HTTP/1.1
Host: shop.example
Connection: keep-alive
sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Linux"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8
Sec-Fetch-Site: none
Sec-Fetch-Mode: navigate
Sec-Fetch-User: ?1
Sec-Fetch-Dest: document
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Cookie: session=4f2a; theme=dark"""  # noqa: E501
_FIREFOX = """GET /caf%C3%A9/search?q=a%20b HTTP/1.1
Host: shop.example
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
Accept-Language: en-US,en;q=0.5
Accept-Encoding: gzip, deflate
DNT: 1
Sec-GPC: 1
Connection: keep-alive
Upgrade-Insecure-Requests: 1
If-None-Match: "5f-1"
Priority: u=0, i"""
_SAFARI = """GET / HTTP/1.1
Host: shop.example
Upgrade-Insecure-Requests: 1
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15
Accept-Language: en-GB,en;q=0.9
Accept-Encoding: gzip, deflate
Connection: keep-alive"""  # noqa: E501
_FETCH = """POST /api/orders HTTP/1.1
Host: shop.example
Connection: keep-alive
Content-Length: 9
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36
Content-Type: application/json
Accept: */*
Origin: https://www.shop.example
Referer: https://www.shop.example/
Accept-Encoding: gzip, deflate, br"""
_PREFLIGHT = """OPTIONS /api/orders HTTP/1.1
Host: shop.example
Connection: keep-alive
Accept: */*
Access-Control-Request-Method: POST
Access-Control-Request-Headers: content-type
Origin: https://www.shop.example
Sec-Fetch-Mode: cors"""
_WEBSOCKET = """GET /live HTTP/1.1
Host: shop.example
Connection: Upgrade
Upgrade: websocket
Origin: https://shop.example
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="""
_CURL = """GET / HTTP/1.1
Host: shop.example
User-Agent: curl/8.14.1
Accept: */*"""
_CURL_HTTP2 = """GET / HTTP/1.1
Host: shop.example
User-Agent: curl/8.14.1
Accept: */*
Connection: Upgrade, HTTP2-Settings
Upgrade: h2c
HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"""
_CURL_POST = """POST /login HTTP/1.1
Host: shop.example
User-Agent: curl/8.14.1
Accept: */*
Content-Length: 9
Content-Type: application/x-www-form-urlencoded"""
_CURL_LARGE = """PUT /file HTTP/1.1
Host: shop.example
User-Agent: curl/8.14.1
Accept: */*
Content-Length: 9
Expect: 100-continue"""
_WGET = """GET /file.tar.gz HTTP/1.1
Host: shop.example
User-Agent: Wget/1.25.0
Accept: */*
Accept-Encoding: identity
Connection: Keep-Alive"""
_REQUESTS = """GET /api HTTP/1.1
Host: shop.example
User-Agent: python-requests/2.32.4
Accept-Encoding: gzip, deflate
Accept: */*
Connection: keep-alive"""
_URLLIB = """GET /api HTTP/1.1
Accept-Encoding: identity
Host: shop.example
User-Agent: Python-urllib/3.11
Connection: close"""
_HTTPX = """DELETE /api/1 HTTP/1.1
Host: shop.example
Accept: */*
Accept-Encoding: gzip, deflate
Connection: keep-alive
User-Agent: python-httpx/0.28.1"""
_GO = """GET /api HTTP/1.1
Host: shop.example
User-Agent: Go-http-client/1.1
Accept-Encoding: gzip"""
_GO_POST = """POST /api HTTP/1.1
Host: shop.example
User-Agent: Go-http-client/1.1
Content-Length: 9
Content-Type: application/json
Accept-Encoding: gzip"""
_GO_STREAM = """POST /api HTTP/1.1
Host: shop.example
User-Agent: Go-http-client/1.1
Transfer-Encoding: chunked
Accept-Encoding: gzip"""
_NODE_FETCH = """GET /api HTTP/1.1
host: shop.example
connection: keep-alive
accept: */*
accept-language: *
sec-fetch-mode: cors
user-agent: node
accept-encoding: gzip, deflate"""
_AXIOS = """GET /api HTTP/1.1
Accept: application/json, text/plain, */*
User-Agent: axios/1.9.0
Accept-Encoding: gzip, compress, deflate, br
Host: shop.example
Connection: keep-alive"""
_NODE_CLOSE = """GET /api HTTP/1.1
Host: shop.example
Connection: close"""
_JAVA = """GET /api HTTP/1.1
Connection: Upgrade, HTTP2-Settings
Host: shop.example
HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA
Upgrade: h2c
User-Agent: Java-http-client/21.0.7"""
_OKHTTP = """GET /api HTTP/1.1
Host: shop.example
Connection: Keep-Alive
Accept-Encoding: gzip
User-Agent: okhttp/4.12.0"""
_APACHE_CLIENT = """GET /api HTTP/1.1
Accept-Encoding: gzip, x-gzip, deflate
Host: shop.example
Connection: keep-alive
User-Agent: Apache-HttpClient/5.4 (Java/21)"""
_DOTNET = """POST /api HTTP/1.1
Host: shop.example
traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00
Content-Type: application/json; charset=utf-8
Content-Length: 9"""
_RUBY = """GET /api HTTP/1.1
Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3
Accept: */*
User-Agent: Ruby
Host: shop.example"""
_PERL = """GET /api HTTP/1.1
TE: deflate,gzip;q=0.3
Connection: TE, close
Host: shop.example
User-Agent: libwww-perl/6.77"""
_PHP = """GET /api HTTP/1.1
Host: shop.example
Connection: close"""
_K6 = """GET /api HTTP/1.1
Host: shop.example
User-Agent: Grafana k6/1.1.0"""
_WRK = """GET /api HTTP/1.1
Host: shop.example"""
_AB = """GET /api HTTP/1.0
Host: shop.example
User-Agent: ApacheBench/2.3
Accept: */*"""
_AB_KEPT = """GET /api HTTP/1.0
Connection: Keep-Alive
Host: shop.example
User-Agent: ApacheBench/2.3
Accept: */*"""
_KUBE_PROBE = """GET /healthz HTTP/1.1
Host: shop.example
User-Agent: kube-probe/1.33
Accept: */*
Connection: close"""
_PROMETHEUS = """GET /metrics HTTP/1.1
Host: shop.example
User-Agent: Prometheus/3.4.1
Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.1
Accept-Encoding: gzip
X-Prometheus-Scrape-Timeout-Seconds: 10"""
_GITHUB = """POST /hook HTTP/1.1
Host: shop.example
User-Agent: GitHub-Hookshot/4f2a4f2
Content-Length: 9
Accept: */*
Content-Type: application/json
X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958
X-GitHub-Event: push
X-Hub-Signature-256: sha256=4f2a"""
_ELB_HEALTH = """GET /health HTTP/1.1
Host: shop.example
Connection: close
User-Agent: ELB-HealthChecker/2.0
Accept-Encoding: gzip, compressed"""
_GOOGLE_HEALTH = """GET /health HTTP/1.1
Host: shop.example
Connection: Keep-alive
User-Agent: GoogleHC/1.0"""

# Load balancers and proxies in front of us, which are believed where --trusted-proxies says so.
_ALB = """GET /articles HTTP/1.1
X-Forwarded-For: 203.0.113.9
X-Forwarded-Proto: https
X-Forwarded-Port: 443
Host: shop.example
X-Amzn-Trace-Id: Root=1-68a1c2d3-0123456789abcdef01234567
User-Agent: Mozilla/5.0
Accept: */*
Accept-Encoding: gzip, deflate, br
Cookie: session=4f2a"""
_GOOGLE_LB = """GET /articles HTTP/1.1
Host: shop.example
User-Agent: Mozilla/5.0
Accept: */*
X-Cloud-Trace-Context: 0af7651916cd43dd8448eb211c80319c/1
Via: 1.1 google
X-Forwarded-For: 203.0.113.9, 198.51.100.7
X-Forwarded-Proto: https
Connection: Keep-Alive"""
_AZURE = """GET /articles HTTP/1.1
X-FORWARDED-PROTO: https
X-FORWARDED-PORT: 443
X-FORWARDED-FOR: 203.0.113.9:51234
X-Original-URL: /articles
X-ORIGINAL-HOST: shop.example
X-APPGW-TRACE-ID: 4f2a4f2a4f2a4f2a
Host: shop.example
User-Agent: Mozilla/5.0
Connection: keep-alive"""
_CLOUDFLARE = """GET /articles HTTP/1.1
Host: shop.example
Accept-Encoding: gzip, br
CF-RAY: 4f2a4f2a4f2a4f2a-FRA
X-Forwarded-For: 2001:db8::9
CF-Visitor: {"scheme":"https"}
X-Forwarded-Proto: https
CF-Connecting-IP: 2001:db8::9
CF-IPCountry: DE
CDN-Loop: cloudflare; loops=1
User-Agent: Mozilla/5.0
Connection: Keep-Alive"""
_NGINX = """GET /articles HTTP/1.0
Host: shop.example
X-Real-IP: 203.0.113.9
X-Forwarded-For: 203.0.113.9
X-Forwarded-Proto: https
Connection: close
User-Agent: Mozilla/5.0"""
_HAPROXY = """POST /api HTTP/1.1
host: shop.example
user-agent: Mozilla/5.0
content-type: application/json
content-length: 9
x-forwarded-for: 203.0.113.9"""
_ENVOY = """GET /articles HTTP/1.1
host: shop.example
user-agent: Mozilla/5.0
x-forwarded-for: 203.0.113.9,10.0.0.7
x-forwarded-proto: https
x-envoy-external-address: 203.0.113.9
x-request-id: 0d1c1e6a-9c1e-4f2a-8f6e-4f2a4f2a4f2a
x-envoy-expected-rq-timeout-ms: 15000"""
_TRAEFIK = """GET /articles HTTP/1.1
Host: shop.example
User-Agent: Mozilla/5.0
Accept-Encoding: gzip
X-Forwarded-For: 203.0.113.9
X-Forwarded-Host: shop.example
X-Forwarded-Port: 443
X-Forwarded-Proto: https
X-Forwarded-Server: traefik-7d9f
X-Real-Ip: 203.0.113.9"""
_FORWARDED = """GET /articles HTTP/1.1
Host: shop.example
Forwarded: for=203.0.113.9;proto=https;host=shop.example
User-Agent: Mozilla/5.0"""

_BODY = b'{"a":"b"}'

REQUESTS: Final = (
    FieldMessage("Chromium", message(_CHROMIUM)),
    FieldMessage("Firefox", message(_FIREFOX)),
    FieldMessage("Safari", message(_SAFARI)),
    FieldMessage("fetch() of a page", message(_FETCH, _BODY)),
    FieldMessage("preflight of a browser", message(_PREFLIGHT)),
    FieldMessage("WebSocket", message(_WEBSOCKET), is_straight=False),
    FieldMessage("curl", message(_CURL)),
    FieldMessage("curl --http2", message(_CURL_HTTP2)),
    FieldMessage("curl --data", message(_CURL_POST, _BODY)),
    FieldMessage("curl --upload-file", message(_CURL_LARGE, _BODY), is_straight=False),
    FieldMessage("wget", message(_WGET)),
    FieldMessage("Python requests", message(_REQUESTS)),
    FieldMessage("Python urllib", message(_URLLIB)),
    FieldMessage("Python httpx", message(_HTTPX)),
    FieldMessage("Go net/http", message(_GO)),
    FieldMessage("Go net/http, POST", message(_GO_POST, _BODY)),
    FieldMessage(
        "Go net/http, POST of a reader",
        message(_GO_STREAM, b"9\r\n" + _BODY + b"\r\n0\r\n\r\n"),
        is_straight=False,
    ),
    FieldMessage("Node fetch", message(_NODE_FETCH)),
    FieldMessage("axios", message(_AXIOS)),
    FieldMessage("Node http, no agent", message(_NODE_CLOSE)),
    FieldMessage("Java HttpClient", message(_JAVA)),
    FieldMessage("OkHttp", message(_OKHTTP)),
    FieldMessage("Apache HttpClient", message(_APACHE_CLIENT)),
    FieldMessage(".NET HttpClient", message(_DOTNET, _BODY)),
    FieldMessage("Ruby Net::HTTP", message(_RUBY)),
    FieldMessage("Perl LWP", message(_PERL)),
    FieldMessage("PHP streams", message(_PHP)),
    FieldMessage("k6", message(_K6)),
    FieldMessage("wrk", message(_WRK)),
    FieldMessage("ab", message(_AB)),
    FieldMessage("ab -k", message(_AB_KEPT)),
    FieldMessage("kubelet's probe", message(_KUBE_PROBE)),
    FieldMessage("Prometheus", message(_PROMETHEUS)),
    FieldMessage("webhook of GitHub", message(_GITHUB, _BODY)),
    FieldMessage("health check of AWS", message(_ELB_HEALTH)),
    FieldMessage("health check of Google", message(_GOOGLE_HEALTH)),
    FieldMessage("behind AWS ALB", message(_ALB)),
    FieldMessage("behind Google's load balancer", message(_GOOGLE_LB)),
    FieldMessage("behind Azure's gateway", message(_AZURE)),
    FieldMessage("behind Cloudflare", message(_CLOUDFLARE)),
    FieldMessage("behind nginx", message(_NGINX)),
    FieldMessage("behind haproxy", message(_HAPROXY, _BODY)),
    FieldMessage("behind Envoy", message(_ENVOY)),
    FieldMessage("behind Traefik", message(_TRAEFIK)),
    FieldMessage("behind what speaks RFC 7239", message(_FORWARDED)),
)

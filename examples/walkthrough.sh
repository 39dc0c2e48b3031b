#!/usr/bin/env bash
# Goes through the article step by step against a running demo and compares what it sees with
# what the article shows. The article's own lines; only the ports differ.
#
#   examples/walkthrough.sh            uses the demo that `make demo` started
#   examples/walkthrough.sh --start    starts a demo of its own, and stops it in the end; on free
#                                      ports, or on those of DEMO_HTTP_PORT, DEMO_HTTPS_PORT and
#                                      DEMO_ADMIN_PORT
set -euo pipefail
. "$(dirname "$0")/steps.sh"

# --- conditions on $out ----------------------------------------------------------------------

pods() { grep -c '^ *[0-9]* Response from pod httpbin-' <<<"$out" || true; }
one_pod() { [ "$(pods)" -eq 1 ]; }
two_pods() { [ "$(pods)" -eq 2 ]; }
same_pod_thrice() { [[ $(sort -u <<<"$out") =~ ^Response\ from\ pod\ httpbin-[a-z0-9-]+$ ]]; }
evenly() { # both pods, and neither twice as often as the other
  local counts
  read -r -d '' -a counts < <(awk '{print $1}' <<<"$out" && printf '\0')
  two_pods && [ "${counts[0]}" -lt $((2 * counts[1])) ] && [ "${counts[1]}" -lt $((2 * counts[0])) ]
}

page='<!DOCTYPE html>
<html>
  <head>
    <title>Hi, Pipy!</title>
  </head>
  <body>
    <h1>Hi, Pipy!</h1>
    <p>This is a web page served from Pipy.</p>
  </body>
</html>'

# --- the article -----------------------------------------------------------------------------

title "An empty namespace to begin with"
run "kubectl delete namespace httpbin" || true

title "Sample application"
must "a CA key" "openssl genrsa 2048 > ca-key.pem"
must "a CA certificate" "openssl req -new -x509 -nodes -days 365000 \\
   -key ca-key.pem \\
   -out ca-cert.pem \\
   -subj '/CN=flomesh.io'"
must "a server key" "openssl genrsa -out server-key.pem 2048"
must "a signing request" "openssl req -new -key server-key.pem -out server.csr -subj '/CN=example.com'"
must "a server certificate" "openssl x509 -req -in server.csr -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -out server-cert.pem -days 365"
must "the namespace" "kubectl create namespace httpbin"
must "the Secret that the pod mounts" "kubectl create secret generic -n httpbin server-cert \\
  --from-file=./server-cert.pem \\
  --from-file=./server-key.pem"
apply httpbin.yaml

title "Sample application: its own ports"
expect "a pod runs" '[[ $out =~ [0-9]:[0-9] ]]' \
  "kubectl get endpoints httpbin -n httpbin --no-headers | awk '{print \$2}'"
POD_TLS=${out%%,*} POD=${out##*,}
expect "8000 answers by HTTP" 'is "Hi, there!"' "curl http://$POD/hi"
expect "8443 answers by HTTPS, with the certificate made above" 'is "Hi, there!"' \
  "curl --cacert ca-cert.pem https://example.com/hi --connect-to example.com:443:$POD_TLS"
expect "8000 shows the page" 'is "$page"' "curl http://$POD/"
expect "/api/private is for staff only" 'is "Staff only
401"' "curl -w '%{http_code}\n' http://$POD/api/private"

title "HTTP entry"
apply ingress-http.yaml
must "the ingress classes" "kubectl get ingressclass"
must "the controller's Service" "kubectl get svc -n fsm -l app.kubernetes.io/component=controller"
run "export HOST_IP=$HOST_IP"
expect "/hi" 'is "Hi, there!"' \
  "curl http://example.com/hi --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
expect "/" 'is "$page"' \
  "curl http://example.com/ --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
expect "a path that is not there: 404" 'ends_in 404' \
  "curl -w '\n%{http_code}\n' http://example.com/missing --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"

title "HTTPS entry"
apply ingress-https.yaml
must "a certificate for the ingress" "openssl req -x509 -newkey rsa:4096 -keyout ingress-key.pem -out ingress-cert.pem -sha256 -days 365 -nodes -subj '/CN=example.com'"
must "its Secret" "kubectl create secret tls ingress-cert --cert=ingress-cert.pem --key=ingress-key.pem -n httpbin"
expect "/hi by HTTPS" 'is "Hi, there!"' \
  "curl --cacert ingress-cert.pem https://example.com/hi --connect-to example.com:443:\$HOST_IP:$HTTPS_PORT"

title "Path rewriting"
apply ingress-rewrite.yaml
expect "/httpbin/hi" 'is "Hi, there!"' \
  "curl http://example.com/httpbin/hi --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
expect "/httpbin" 'is "$page"' \
  "curl http://example.com/httpbin --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
expect "/httpbin/hi?x=1" 'is "Hi, there!"' \
  "curl 'http://example.com/httpbin/hi?x=1' --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"

one="curl http://example.com/ --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
counted() { # TIMES
  printf '%s' "for i in \$(seq $1); do $one; echo; done | sort | uniq -c"
}

title "Load balancing: hashing"
run "kubectl create namespace httpbin" || true # the article types it again; it exists
apply balancing-httpbin.yaml
apply ingress-hashing.yaml
expect "hashing: one client, one pod" 'one_pod' "$(counted 12)"
expect "hashing: the same pod thrice" 'same_pod_thrice' "for i in 1 2 3; do $one; echo; done"

title "Load balancing: round-robin"
apply ingress-round-robin.yaml
expect "round-robin: both pods, evenly" 'evenly' "$(counted 12)"

title "Load balancing: least-work"
apply ingress-least-work.yaml
expect "least-work: both pods" 'two_pods' "$(counted 24)"

title "Session stickiness"
apply sticky-httpbin.yaml
apply ingress-sticky.yaml
expect "session-sticky: one client, one pod" 'one_pod' "$(counted 12)"
expect "session-sticky: the same pod thrice" 'same_pod_thrice' "for i in 1 2 3; do $one; echo; done"

# --- end -------------------------------------------------------------------------------------

if [ -z "$own_demo" ]; then
  title "The demo as it was"
  run "kubectl delete namespace httpbin"
  "$examples/first-example.sh"
  expect "the first example is served again" 'is "Hi, there!"' \
    "curl http://example.com/hi --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
fi
finish_steps

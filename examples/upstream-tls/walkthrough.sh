#!/usr/bin/env bash
# TLS to the Service: plain HTTP at the front, HTTPS to port 8443 of the sample application, its
# certificate checked against the authority in a Secret. Each step says PASS or FAIL.
#
#   examples/upstream-tls/walkthrough.sh            uses the demo that `make demo` started
#   examples/upstream-tls/walkthrough.sh --start    starts a demo of its own on free ports, and
#                                                   stops it in the end
set -euo pipefail
. "$(dirname "$0")/../steps.sh"

ask="curl -w '%{http_code}\n' http://example.com/hi --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
hi='Hi, there!
200'

server_certificate() { # WHAT EXTENSIONS
  must "$1" "openssl x509 -req -in server.csr -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -out server-cert.pem -days 365 $2"
}

mount_certificate() { # what the pod mounts
  run "kubectl delete secret -n httpbin server-cert" || true
  must "the Secret that the pod mounts" "kubectl create secret generic -n httpbin server-cert \\
  --from-file=./server-cert.pem \\
  --from-file=./server-key.pem"
}

trust() { # CERTIFICATE KEY
  run "kubectl delete secret -n httpbin tls-cert" || true
  must "the Secret of the annotation" "kubectl create secret generic -n httpbin tls-cert \\
  --from-file=tls.crt=$1 \\
  --from-file=tls.key=$2 \\
  --from-file=ca.crt=$1"
}

# --- the sample application ------------------------------------------------------------------

title "Sample application, its certificate signed by an authority of ours"
run "kubectl delete namespace httpbin" || true
for authority in ca other-ca; do
  must "a key of $authority" "openssl genrsa -out $authority-key.pem 2048"
  must "its certificate" "openssl req -new -x509 -nodes -days 365000 -key $authority-key.pem -out $authority-cert.pem -subj '/CN=$authority.flomesh.io'"
done
must "a server key" "openssl genrsa -out server-key.pem 2048"
must "a signing request" "openssl req -new -key server-key.pem -out server.csr -subj '/CN=example.com'"
printf 'subjectAltName=DNS:example.com\n' >names.cnf
server_certificate "a server certificate that has its name" "-extfile names.cnf"
must "the namespace" "kubectl create namespace httpbin"
mount_certificate
apply httpbin.yaml

# --- the Ingress -----------------------------------------------------------------------------

title "Port 8443 speaks TLS, and the Ingress does not say so"
apply upstream-tls/ingress-plain.yaml
expect "plain HTTP finds no answer there: 502" 'ends_in 502' "$ask"

title "TLS, verified: refused while the Secret is missing"
apply upstream-tls/ingress.yaml
expect "never without what was asked for: 503" 'ends_in 503' "$ask"

title "TLS, verified"
trust ca-cert.pem ca-key.pem
expect "/hi" 'is "$hi"' "$ask"

title "Another authority"
trust other-ca-cert.pem other-ca-key.pem
expect "nobody is believed: 502" 'ends_in 502' "$ask"

title "The right one again"
trust ca-cert.pem ca-key.pem
expect "/hi" 'is "$hi"' "$ask"

title "A certificate without a subjectAltName, as in the article"
server_certificate "a server certificate with a common name only" ""
must "no pod" "kubectl delete deployment -n httpbin httpbin"
mount_certificate
apply httpbin.yaml
expect "a common name is no name (RFC 9525): 502" 'ends_in 502' "$ask"

# --- end -------------------------------------------------------------------------------------

if [ -z "$own_demo" ]; then
  title "The demo as it was"
  run "kubectl delete namespace httpbin"
  "$examples/first-example.sh"
  expect "the first example is served again" 'is "$hi"' "$ask"
fi
finish_steps

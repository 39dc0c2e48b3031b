#!/usr/bin/env bash
# Client certificates: HTTPS at the front, only for clients whose certificate is trusted. As in the
# article about TLS, what is trusted is the client's own certificate. Each step says PASS or FAIL.
#
#   examples/client-certificates/walkthrough.sh            uses the demo that `make demo` started
#   examples/client-certificates/walkthrough.sh --start    starts a demo of its own on free ports,
#                                                          and stops it in the end
set -euo pipefail
. "$(dirname "$0")/../steps.sh"

place="--cacert ingress-cert.pem --connect-to example.com:443:\$HOST_IP:$HTTPS_PORT"
ask="curl -s -w '%{http_code}\n' $place https://example.com/hi"
as_client="$ask --cert client-cert.pem --key client-key.pem"
as_stranger="$ask --cert stranger-cert.pem --key stranger-key.pem"
hi='Hi, there!
200'

certificate() { # NAME COMMON-NAME FURTHER
  must "a certificate for $2" "openssl req -x509 -newkey rsa:2048 -keyout $1-key.pem -out $1-cert.pem -sha256 -days 365 -nodes -subj '/CN=$2' $3"
}

trust() { # CERTIFICATE
  run "kubectl delete secret -n httpbin trust-client-cert" || true
  must "the Secret of the annotation" "kubectl create secret generic -n httpbin trust-client-cert \\
  --from-file=ca.crt=$1"
}

# --- the sample application ------------------------------------------------------------------

title "Sample application and certificates"
run "kubectl delete namespace httpbin" || true
certificate server example.com ""
certificate ingress example.com "-addext subjectAltName=DNS:example.com"
certificate client flomesh.io ""
certificate stranger nobody.example ""
must "the namespace" "kubectl create namespace httpbin"
must "the Secret that the pod mounts" "kubectl create secret generic -n httpbin server-cert \\
  --from-file=./server-cert.pem \\
  --from-file=./server-key.pem"
must "the Secret of the host" "kubectl create secret tls ingress-cert --cert=ingress-cert.pem --key=ingress-key.pem -n httpbin"
apply httpbin.yaml

# --- the Ingress -----------------------------------------------------------------------------

title "Nobody is served while the Secret is missing"
apply client-certificates/ingress.yaml
expect "never without what was asked for: 503" 'ends_in 503' "$as_client"

title "The client's own certificate is trusted"
trust client-cert.pem
expect "with it" 'is "$hi"' "$as_client"
expect "without a certificate: no answer" 'ends_in 000' "$ask || true"
expect "with another one: no answer" 'ends_in 000' "$as_stranger || true"
expect "plain HTTP is sent to HTTPS: 308" 'ends_in 308' \
  "curl -s -o /dev/null -w '%{http_code}\n' --connect-to example.com:80:\$HOST_IP:$HTTP_PORT http://example.com/hi"
expect "a handshake for another host does not help: 421" 'ends_in 421' \
  "curl -s -k -w '%{http_code}\n' --cert client-cert.pem --key client-key.pem -H 'Host: example.com' --connect-to other.example:443:\$HOST_IP:$HTTPS_PORT https://other.example/hi"

title "Another client is trusted instead"
trust stranger-cert.pem
expect "the new one" 'is "$hi"' "$as_stranger"
expect "the old one: no answer" 'ends_in 000' "$as_client || true"

# --- end -------------------------------------------------------------------------------------

if [ -z "$own_demo" ]; then
  title "The demo as it was"
  run "kubectl delete namespace httpbin"
  "$examples/first-example.sh"
  expect "the first example is served again" 'is "$hi"' "curl -w '%{http_code}\n' http://example.com/hi --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
fi
finish_steps

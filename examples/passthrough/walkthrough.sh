#!/usr/bin/env bash
# TLS that goes through: clients shake hands with the sample application itself, on its port 8443,
# while other hosts of the same port are opened by the ingress. Each step says PASS or FAIL.
#
#   examples/passthrough/walkthrough.sh            uses the demo that `make demo` started
#   examples/passthrough/walkthrough.sh --start    starts a demo of its own on free ports, and
#                                                  stops it in the end
set -euo pipefail
. "$(dirname "$0")/../steps.sh"

ask="curl -w '%{http_code}\n' --cacert ca-cert.pem https://example.com/hi --connect-to example.com:443:\$HOST_IP:$HTTPS_PORT"
opened="curl -w '%{http_code}\n' https://opened.example.com/hi --connect-to opened.example.com:443:\$HOST_IP:$HTTPS_PORT"
plain="curl -w '%{http_code} %{redirect_url}\n' -o /dev/null http://example.com/hi --connect-to example.com:80:\$HOST_IP:$HTTP_PORT"
other_host="curl -k -w '%{http_code}\n' -H 'Host: example.com' https://opened.example.com/hi --connect-to opened.example.com:443:\$HOST_IP:$HTTPS_PORT"
hi='Hi, there!
200'

# --- the sample application ------------------------------------------------------------------

title "Sample application, its certificate signed by an authority of ours"
run "kubectl delete namespace httpbin" || true
must "a key of the authority" "openssl genrsa -out ca-key.pem 2048"
must "its certificate" "openssl req -new -x509 -nodes -days 365000 -key ca-key.pem -out ca-cert.pem -subj '/CN=ca.flomesh.io'"
must "a server key" "openssl genrsa -out server-key.pem 2048"
must "a signing request" "openssl req -new -key server-key.pem -out server.csr -subj '/CN=example.com'"
printf 'subjectAltName=DNS:example.com\n' >names.cnf
must "a server certificate" "openssl x509 -req -in server.csr -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -out server-cert.pem -days 365 -extfile names.cnf"
must "the namespace" "kubectl create namespace httpbin"
must "the Secret that the pod mounts; the ingress needs none" "kubectl create secret generic -n httpbin server-cert \\
  --from-file=./server-cert.pem \\
  --from-file=./server-key.pem"
apply httpbin.yaml

# --- the Ingress -----------------------------------------------------------------------------

title "TLS goes through to port 8443"
apply passthrough/ingress.yaml
expect "the application's own certificate is shown, and /hi" 'is "$hi"' "$ask"

title "Another host on the same port"
apply passthrough/ingress-opened.yaml
expect "its TLS is opened" 'is "$hi"' "${opened/curl/curl -k}"
expect "by the ingress's certificate, which this authority has not signed" 'ends_in 000' "${opened/curl/curl --cacert ca-cert.pem} || true"

title "The ways around it"
expect "plain HTTP is redirected" 'is "308 https://example.com/hi"' "$plain"
expect "a request on another host's connection is turned away: 421" 'ends_in 421' "$other_host"

title "Without the annotation the ingress opens TLS, and speaks plain HTTP to port 8443"
apply upstream-tls/ingress-plain.yaml
expect "which is no answer there: 502" 'ends_in 502' "${ask/--cacert ca-cert.pem/-k}"

# --- end -------------------------------------------------------------------------------------

if [ -z "$own_demo" ]; then
  title "The demo as it was"
  run "kubectl delete namespace httpbin"
  "$examples/first-example.sh"
fi
finish_steps

#!/usr/bin/env bash
# What the article types up to its first request: certificates (written to the current
# folder), the sample application and the first Ingress. `kubectl` is the one beside this file.
set -euo pipefail
examples=$(cd "$(dirname "$0")" && pwd)
PATH="$examples:$PATH"

{
  openssl genrsa 2048 > ca-key.pem

  openssl req -new -x509 -nodes -days 365000 \
     -key ca-key.pem \
     -out ca-cert.pem \
     -subj '/CN=flomesh.io'

  openssl genrsa -out server-key.pem 2048
  openssl req -new -key server-key.pem -out server.csr -subj '/CN=example.com'
  openssl x509 -req -in server.csr -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -out server-cert.pem -days 365
} 2>openssl.log || { cat openssl.log >&2; exit 1; }

kubectl create namespace httpbin
# mount self-signed cert to sample app pod via secret
kubectl create secret generic -n httpbin server-cert \
  --from-file=./server-cert.pem \
  --from-file=./server-key.pem
kubectl apply -n httpbin -f "$examples/httpbin.yaml"
kubectl apply -n httpbin -f "$examples/ingress-http.yaml"

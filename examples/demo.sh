#!/usr/bin/env bash
# The article's first example on 127.0.0.1, served until Ctrl-C; no cluster needed.
# Environment: DEMO_HTTP_PORT (8000), DEMO_HTTPS_PORT (8443), DEMO_ADMIN_PORT (10254), DEMO_DIR (.demo).
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
examples=$checkout/examples
bin=$(dirname "${FSM_PYTHON:-$checkout/.venv/bin/python}")
dir=${DEMO_DIR:-$checkout/.demo}
http=${DEMO_HTTP_PORT:-8000} https=${DEMO_HTTPS_PORT:-8443} admin=${DEMO_ADMIN_PORT:-10254}
ready_seconds=40
children=()

fail() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

check_port() { # NAME PORT
  [[ $2 =~ ^[1-9][0-9]{0,4}$ && $2 -le 65535 ]] || fail "$1=$2 is no port number"
  if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
    fail "port $2 on 127.0.0.1 is in use; choose another one: make demo $1=$(($2 + 1000 > 65535 ? $2 - 1000 : $2 + 1000))"
  fi
}

stop() {
  trap - EXIT INT TERM HUP
  rm -f "$dir/pid" "$dir/env"
  [ "${#children[@]}" -eq 0 ] || kill -TERM "${children[@]}" 2>/dev/null || true
  wait
}

answers() { # URL [CURL OPTION...]
  curl --silent --show-error --noproxy '*' --max-time 2 --fail --output /dev/null "$@"
}

# Its own word counts first: a program that was quicker at these ports would answer as well.
is_ready() {
  [ "$(grep -c 'listening: ' "$dir/ingress.log")" -eq 3 ] &&
    answers "http://127.0.0.1:$admin/readyz" &&
    answers http://example.com/hi --connect-to "example.com:80:127.0.0.1:$http"
}

check_children() {
  kill -0 "${children[0]}" 2>/dev/null || fail "the node ended: $(last_words node)"
  kill -0 "${children[1]}" 2>/dev/null || fail "the ingress ended: $(last_words ingress)"
}

last_words() { # NODE OR INGRESS
  grep -v '^$' "$dir/$1.log" | tail -n 1
}

await_ready() {
  local deadline=$((SECONDS + ready_seconds))
  until is_ready 2>"$dir/probe.log"; do
    check_children
    [ "$SECONDS" -lt "$deadline" ] || fail "not ready after $ready_seconds s ($(cat "$dir/probe.log")); see $dir/ingress.log and $dir/node.log"
    sleep 0.1
  done
}

[ -x "$bin/twistd" ] || fail "nothing is installed yet: run it by \`make demo\`"
if [ -e "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; then
  fail "it runs already (process $(cat "$dir/pid")); stop that one first"
fi
check_port DEMO_HTTP_PORT "$http"
check_port DEMO_HTTPS_PORT "$https"
check_port DEMO_ADMIN_PORT "$admin"

rm -rf "$dir/manifests" "$dir/tls" "$dir/env"
mkdir -p "$dir/manifests" "$dir/tls"
export FSM_MANIFESTS=$dir/manifests
echo $$ >"$dir/pid"
trap stop EXIT
trap 'exit 0' INT TERM HUP

echo "preparing the article's sample application in $dir"
sed "s/nodePort: 8000/nodePort: $http/; s/nodePort: 8443/nodePort: $https/" "$examples/controller.yaml" |
  "$examples/kubectl" apply -f - >"$dir/kubectl.log"
(cd "$dir/tls" && "$examples/first-example.sh" >>"$dir/kubectl.log")

cd "$dir" # relative paths of children mean nothing to the checkout
"$bin/python" -m fsm_twisted.demo --manifests "$dir/manifests" >node.log 2>&1 </dev/null &
children+=($!)
"$bin/twistd" --nodaemon --pidfile= fsm-ingress --manifests "$dir/manifests" \
  --http "tcp:$http:interface=127.0.0.1" --https "tcp:$https:interface=127.0.0.1" \
  --admin "tcp:$admin:interface=127.0.0.1" --ssl-passthrough on --drain-timeout 3 >ingress.log 2>&1 </dev/null &
children+=($!)
await_ready

cat >"$dir/env.draft" <<EOF
HOST_IP=127.0.0.1
HTTP_PORT=$http
HTTPS_PORT=$https
FSM_MANIFESTS=$dir/manifests
EOF
mv "$dir/env.draft" "$dir/env"
cat <<EOF

The ingress is ready: http://127.0.0.1:$http and https://127.0.0.1:$https, health on http://127.0.0.1:$admin/readyz
It watches $dir/manifests; logs are $dir/ingress.log and $dir/node.log

Try, in another terminal:
  curl http://example.com/hi --connect-to example.com:80:127.0.0.1:$http
  curl http://example.com/ --connect-to example.com:80:127.0.0.1:$http
  examples/kubectl get ingress -n httpbin
  examples/walkthrough.sh

Ctrl-C stops it.
EOF

wait -n "${children[@]}" || true
check_children

# What the walk-throughs share: a demo of their own, steps shown as a user types them, PASS or
# FAIL for each. To be sourced with the arguments of the script: nothing, or --start.
examples=${BASH_SOURCE[0]%/*}
checkout=$(cd "$examples/.." && pwd)
examples=$checkout/examples
work=$(mktemp -d)
own_demo=
passed=0 failed=0
wait_seconds=15

usage() {
  echo "usage: $0 [--start]" >&2
  exit 2
}

finish() {
  local status=$?
  trap - EXIT
  if [ -n "$own_demo" ]; then
    kill -TERM "$own_demo" 2>/dev/null || true
    wait "$own_demo" 2>/dev/null || true
  fi
  rm -rf "$work"
  exit "$status"
}

free_port() { # PREFERRED; another one when that is taken
  "${FSM_PYTHON:-$checkout/.venv/bin/python}" - "$1" <<'EOF'
import socket, sys
for port in (int(sys.argv[1]), 0):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(probe.getsockname()[1])
        break
EOF
}

start_demo() {
  local preferred
  export DEMO_DIR=$work/demo
  # Another program may take a port between the look and the start; then any other will do.
  for preferred in "8000 8443 10254" "0 0 0"; do
    set -- $preferred
    DEMO_HTTP_PORT=${DEMO_HTTP_PORT:-$(free_port "$1")} \
      DEMO_HTTPS_PORT=${DEMO_HTTPS_PORT:-$(free_port "$2")} \
      DEMO_ADMIN_PORT=${DEMO_ADMIN_PORT:-$(free_port "$3")} \
      "$examples/demo.sh" >"$work/demo.log" 2>&1 &
    own_demo=$!
    while kill -0 "$own_demo" 2>/dev/null; do # the demo bounds its own start
      [ ! -e "$DEMO_DIR/env" ] || return 0
      sleep 0.1
    done
    grep -qi 'in use' "$work/demo.log" || break
  done
  cat "$work/demo.log" >&2
  exit 1
}

# One that was started a moment ago has written nothing yet; one that starts bounds that itself.
await_demo() { # FOLDER
  local deadline=$((SECONDS + ${DEMO_WAIT_SECONDS:-3}))
  until [ -e "$1/env" ]; do
    if ! kill -0 "$(cat "$1/pid" 2>/dev/null || echo 0x)" 2>/dev/null && [ "$SECONDS" -ge "$deadline" ]; then
      echo "no demo is running: start one with \`make demo\`, or run this with --start" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# --- telling ---------------------------------------------------------------------------------

title() { printf '\n== %s\n' "$*"; }

verdict() { # STATUS WHAT
  if [ "$1" -eq 0 ]; then
    passed=$((passed + 1))
    printf 'PASS  %s\n' "$2"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$2"
  fi
}

run() { # COMMAND; leaves its output in $out
  local status=0
  printf '$ %s\n' "$1"
  out=$(eval "$1" 2>&1) || status=$?
  if [ -n "$out" ] && [[ $1 != openssl* || $status -ne 0 ]]; then # openssl only draws dots
    printf '%s\n' "$out"
  fi
  return "$status"
}

must() { # WHAT COMMAND
  local status=0
  run "$2" || status=$?
  verdict "$status" "$1"
}

apply() { # FILE, shown as the article types it
  local status=0
  printf '$ kubectl apply -n httpbin -f - <<EOF\n%s\nEOF\n' "$(cat "$examples/$1")"
  kubectl apply -n httpbin -f - <"$examples/$1" || status=$?
  verdict "$status" "applied $1"
}

# A change is served a moment after it is written, so a step first asks quietly until the
# answer is right or the time is up; then it is run for all to see, and that run counts.
expect() { # WHAT CONDITION COMMAND
  local deadline=$((SECONDS + wait_seconds)) status=0
  until out=$(eval "$3" 2>&1) && eval "$2" || [ "$SECONDS" -ge "$deadline" ]; do
    sleep 0.1
  done
  run "$3" || status=$?
  if [ "$status" -eq 0 ]; then
    eval "$2" || status=$?
  fi
  verdict "$status" "$1"
}

# --- conditions on $out ----------------------------------------------------------------------

is() { [ "$out" = "$1" ]; }
ends_in() { [[ $out == *"$1" ]]; }

finish_steps() { # what a script ends with
  if [ "$failed" -gt 0 ] && [ -n "$own_demo" ]; then
    title "Logs of the demo"
    tail -n 40 "$DEMO_DIR/node.log" "$DEMO_DIR/ingress.log"
  fi
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

# --- start -----------------------------------------------------------------------------------

case ${1-} in
  "") [ "$#" -eq 0 ] || usage ;;
  --start) [ "$#" -eq 1 ] || usage ;;
  *) usage ;;
esac
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ "${1-}" != --start ] || start_demo

await_demo "${DEMO_DIR:-$checkout/.demo}"
set -a
. "${DEMO_DIR:-$checkout/.demo}/env"
set +a
export PATH="$examples:$PATH" NO_PROXY='*' no_proxy='*' CURL_HOME=$work
printf 'silent\nshow-error\nmax-time = 10\n' >"$work/.curlrc"
cd "$work"

#!/usr/bin/env bash
# make run: a real broker, the demo shop and the console, all in data/demo, until Ctrl-C. With DLQ_NAMESRV set: the console
# alone against that cluster, and the shop too with DLQ_DEMO=1.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${DLQ_NAMESRV:-}" ]; then
  if [ -n "${DLQ_DEMO:-}" ]; then
    bin/dlq demo shop &
    shop=$!
    trap 'kill "$shop" 2>/dev/null || true; wait "$shop" 2>/dev/null || true' EXIT
    trap 'exit 130' INT TERM
    bin/dlq serve "$@" & console=$!
    trap 'kill "$console" "$shop" 2>/dev/null || true; wait 2>/dev/null || true' EXIT
    wait -n "$console" "$shop"
    exit
  fi
  exec bin/dlq serve "$@"
fi

node=broker/rocketmq/node/rocketmq.sh
version=${DLQ_DEMO_ROCKETMQ:-5.5.0}
home=${DLQ_DEMO_DIR:-data/demo}
dir=$home/broker
mkdir -p "$home"
export DLQ_DATA=${DLQ_DATA:-$home/dlq.db}
if [ -z "${DLQ_RULES:-}" ]; then # rules that are edited in the demo's page are the demo's own
  export DLQ_RULES=$home/rules.yaml
  [ -e "$DLQ_RULES" ] || cp rules.yaml "$DLQ_RULES"
fi

started=
stop() {
  trap - EXIT INT TERM
  if [ -n "${console:-}" ]; then kill "$console" 2>/dev/null || true; wait "$console" 2>/dev/null || true; fi
  if [ -n "$started" ]; then "$node" stop --dir "$dir" --grace 2 || true; fi
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

status=0
"$node" start --dir "$dir" --version "$version" --watch $$ >/dev/null || status=$?
if [ "$status" -eq 0 ]; then
  started=1
  # shellcheck disable=SC1091
  . "$dir/env"
  bin/dlq demo --namesrv "$NAMESRV" "$@" & console=$!
elif [ "$status" -ne 3 ] && [ "$status" -ne 4 ]; then # 3: no Java or Maven, 4: the jars cannot be fetched
  exit "$status"
else
  echo
  echo "No RocketMQ can be started here (see above): using the in-memory stand-in instead of a real broker."
  echo "这里无法启动 RocketMQ（见上），改用内存中的模拟 broker。"
  echo
  bin/dlq demo --simulated "$@" & console=$!
fi
wait "$console"

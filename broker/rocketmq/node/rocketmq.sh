#!/usr/bin/env bash
# A real RocketMQ (name server and broker, no Docker) in a folder of its own, from the published Maven artifacts.
# For people, `make run`, tests and CI. `rocketmq.sh help` lists the commands.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: rocketmq.sh COMMAND [OPTIONS]

  fetch SET…                download the jars of 5.5.0 or 4.9.7 once and print where; the second time they are found.
                            Also 5.5.0-proxy, what start --proxy needs, and 5.2.0-client, the Java gRPC client
  start --dir DIR           start a node, or the stopped one that DIR holds, and print DIR/env
      --version V             5.5.0 (default) or 4.9.7
      --namesrv-port P        default: a free port; as for the broker (which also takes P-2 and P+1)
      --broker-port P
      --proxy                 5.x: the broker with the gRPC proxy in its process ("local mode")
      --proxy-port P          default: a free port; it takes P+1 too
      --namesrv ADDR          no name server of its own: join the node that has this one (with --broker-name)
      --cluster NAME          default: local
      --broker-name NAME      default: broker-a
      --delay-levels LEVELS   messageDelayLevel; "short" keeps 18 levels and makes them 1 s to 4 s
      --conf KEY=VALUE        one more line of broker.conf; repeatable, the last one of a key counts
      --acl ACCESS:SECRET     switch ACL on, with this account as the administrator
      --acl-file FILE         4.9.7: this plain_acl.yml instead of one with the administrator alone
      --java-opt OPT          one more option of the broker's JVM, and of the name server's if it begins with -Dtls.; repeatable
      --watch PID             kill the node when that process is gone; with --remove also delete DIR
  stop --dir DIR [--grace S]                  stop it; the store stays. A broker takes 8 s (4.9.7) or 20 s (5.5.0)
                            to stop in order; after S seconds (default 10) it is killed, which its store survives
  kill --dir DIR [broker|namesrv]             kill -9 one or both
  restart-broker --dir DIR [--grace S]        stop the broker if it runs, and start it
  restart-namesrv --dir DIR [--grace S]       likewise
  pause|resume --dir DIR [broker|namesrv]     SIGSTOP and SIGCONT
  status --dir DIR          one line each; exit status 1 unless all of it runs
  env --dir DIR             NAMESRV, BROKER, PROXY, VERSION, pids as shell assignments
  admin --dir DIR COMMAND…  mqadmin of the same version; -n is added; failures give exit status 1

Jars: ${XDG_CACHE_HOME:-$HOME/.cache}/deadletteroffice/rocketmq-VERSION, or under $ROCKETMQ_CACHE.
Exit status: 1 failed, 2 usage, 3 Java or Maven missing, 4 download failed, 5 did not start.
EOF
}

say() { printf 'rocketmq.sh: %s\n' "$*" >&2; }
die() { local status=$1; shift; say "$@"; exit "$status"; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=jars.sh
. "$here/jars.sh" # defines need, fetch, lib_of
# shellcheck source=processes.sh
. "$here/processes.sh" # defines loopback_only, launch, wait_boot, running, end, start_watch, stop_watch
short_levels="1s 2s 3s 4s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s"

# ---- asking the servers ----

# request ADDR CODE BODY sends one frame of the remoting protocol, of less than 256 bytes, on descriptor 3.
request() {
  local header="{\"code\":$2,\"flag\":0,\"language\":\"GO\",\"opaque\":1,\"version\":317,\"extFields\":{}}" size
  size=$(printf '\\x00\\x00\\x00\\x%02x\\x00\\x00\\x00\\x%02x' $((${#header} + ${#3} + 4)) ${#header})
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return 1
  # shellcheck disable=SC2059
  printf "$size%s%s" "$header" "$3" >&3
}

# registered asks the name server (106, cluster info) whether it knows the broker's address, which a line of its
# configuration may have made another than the one it listens at.
registered() {
  (
    request "$NAMESRV" 106 "" || exit 1
    local part found=1 ip
    ip=$(sed -n 's/^brokerIP1=//p' "$dir/broker.conf" | tail -n 1)
    BROKER=$ip:${BROKER##*:}
    while IFS= LC_ALL=C read -r -t 3 -d '}' part <&3; do
      case $part in *"\"$BROKER\""*) found=0 ;; *clusterAddrTable*) break ;; esac
    done
    exit $found
  ) 2>/dev/null
}

# nudge makes a broker register again: it does when its permission is set (25, update broker config). It also
# writes its whole configuration over broker.conf, which is put back. With ACL on it is refused and changes nothing.
nudge() {
  (request "$BROKER" 25 brokerPermission=6 && IFS= LC_ALL=C read -r -t 3 -d '}' <&3) 2>/dev/null || true
  write_conf
}

# wait_registered mostly returns at once. But a 5.x broker that starts faster than its connection to the name
# server registers with nobody, and would try again only 10 s later.
wait_registered() {
  local tries
  for tries in $(seq 300); do
    registered && return
    ! gone "$(pid_of broker)" || return 1
    [ $((tries % 10)) != 0 ] || nudge
    sleep 0.1
  done
  return 1
}

# ---- the node ----

is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port picks below 32768, where Linux takes no ports for outgoing connections, with its neighbours -2 and +1,
# which a broker takes too.
free_port() {
  local port try
  for try in $(seq 200); do
    port=$((10000 + (RANDOM * 32768 + RANDOM + try) % 22000))
    if is_free $((port - 2)) && is_free "$port" && is_free $((port + 1)); then
      echo "$port"
      return
    fi
  done
  die 5 "no free port between 10000 and 32000"
}

java_major() {
  local v
  v=$(java -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p')
  v=${v#1.}
  echo "${v%%[.-]*}"
}

write_env() {
  {
    printf 'NAMESRV=%s\nBROKER=%s\nPROXY=%s\nVERSION=%s\n' "$NAMESRV" "$BROKER" "$PROXY" "$VERSION"
    printf 'CLUSTER=%q\nBROKER_NAME=%q\nJOINED=%s\n' "$CLUSTER" "$BROKER_NAME" "$JOINED"
    printf 'NAMESRV_PID=%s\nBROKER_PID=%s\nDIR=%q\n' "$(pid_of namesrv)" "$(pid_of broker)" "$dir"
  } >"$dir/env.tmp"
  mv "$dir/env.tmp" "$dir/env"
}

load_env() {
  PROXY="" # absent from nodes of an older script
  [ -f "$dir/env" ] || die 1 "no node in $dir"
  # shellcheck disable=SC1091
  . "$dir/env"
}

write_conf() {
  mkdir -p "$dir/conf" "$dir/store" "$dir/home"
  local name
  for name in namesrv broker tools; do
    echo '<configuration><root level="WARN"/></configuration>' >"$dir/conf/logback_$name.xml" # 4.9 does not start without
  done
  # 5.x binds loopback by itself; for 4.9, and for the port of replication (+1) of both, see loopback_only.
  printf 'listenPort=%s\nbindAddress=127.0.0.1\n' "${NAMESRV##*:}" >"$dir/namesrv.conf"
  {
    cat <<EOF
brokerClusterName=$CLUSTER
brokerName=$BROKER_NAME
brokerId=0
namesrvAddr=$NAMESRV
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
bindAddress=127.0.0.1
listenPort=${BROKER##*:}
haListenPort=$((${BROKER##*:} + 1))
storePathRootDir=$dir/store
storePathCommitLog=$dir/store/commitlog
mappedFileSizeCommitLog=67108864
mapedFileSizeCommitLog=67108864
mappedFileSizeConsumeQueue=600000
mapedFileSizeConsumeQueue=600000
maxIndexNum=200000
maxHashSlotNum=50000
flushDiskType=ASYNC_FLUSH
autoCreateTopicEnable=true
diskMaxUsedSpaceRatio=95
waitTimeMillsInSendQueue=5000
EOF
    cat "$dir/extra.conf"
  } >"$dir/broker.conf"
  # A client that is closed waits for its last poll.
  if [ -n "$PROXY" ]; then
    cat >"$dir/proxy.json" <<EOF
{"rocketMQClusterName": "$CLUSTER", "namesrvAddr": "$NAMESRV", "localServeAddr": "127.0.0.1",
 "grpcServerPort": ${PROXY##*:}, "remotingListenPort": $((${PROXY##*:} + 1)), "grpcClientConsumerMaxLongPollingTimeoutMillis": 5000}
EOF
  fi
}

write_acl() {
  local access=${1%%:*} secret=${1#*:} file=$2
  if [ "$access" = "$1" ] || [ ${#access} -le 6 ] || [ ${#secret} -le 6 ]; then
    die 2 "--acl wants ACCESS:SECRET, each longer than 6 characters (4.9 refuses shorter ones)"
  fi
  (
    umask 077
    mkdir -p "$dir/conf"
    printf 'accessKey: %s\nsecretKey: %s\n' "$access" "$secret" >"$dir/conf/tools.yml"
    case $VERSION in
    4.*)
      if [ -n "$file" ]; then
        cp "$file" "$dir/conf/plain_acl.yml"
      else
        printf 'accounts:\n- accessKey: %s\n  secretKey: %s\n  admin: true\n' "$access" "$secret" >"$dir/conf/plain_acl.yml"
      fi
      echo aclEnable=true >>"$dir/extra.conf"
      ;;
    *)
      cat >>"$dir/extra.conf" <<EOF
authenticationEnabled=true
authenticationProvider=org.apache.rocketmq.auth.authentication.provider.DefaultAuthenticationProvider
authenticationMetadataProvider=org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider
initAuthenticationUser={"username":"$access","password":"$secret"}
innerClientAuthenticationCredentials={"accessKey":"$access","secretKey":"$secret"}
authorizationEnabled=true
authorizationProvider=org.apache.rocketmq.auth.authorization.provider.DefaultAuthorizationProvider
authorizationMetadataProvider=org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider
EOF
      ;;
    esac
  )
}

jvm() { # jvm PART MAIN ARGS…
  local part=$1 main=$2 opts
  shift 2
  opts=(-XX:+UseSerialGC -XX:-UsePerfData "-Drocketmq.home.dir=$dir" "-Duser.home=$dir/home")
  case $part in
  namesrv)
    opts+=(-Xmx64m -XX:TieredStopAtLevel=1)
    local tls
    while IFS= read -r tls; do opts+=("$tls"); done < <(grep '^-Dtls\.' "$dir/java.opts")
    ;;
  broker)
    # Each thread that ever stored a message keeps 4 MiB of direct memory. A 5.x broker that runs out of it
    # goes on and delivers late or not at all, with nothing but a line in its log.
    opts+=(-Xmx192m -XX:MaxDirectMemorySize=512m)
    case $VERSION in 4.*)
      if [ "$(java_major)" -ge 9 ]; then
        opts+=(--add-opens java.base/java.nio=ALL-UNNAMED --add-opens java.base/sun.nio.ch=ALL-UNNAMED --add-opens java.base/jdk.internal.ref=ALL-UNNAMED)
      fi
      ;;
    esac
    local opt
    while IFS= read -r opt; do opts+=("$opt"); done <"$dir/java.opts"
    ;;
  esac
  launch "$part" "${opts[@]}" -cp "$(lib_of "$(jar_set)")/*" "$main" "$@"
}

jar_set() { echo "$VERSION${PROXY:+-proxy}"; }

start_namesrv() {
  if [ -n "$JOINED" ] || running namesrv; then return; fi
  jvm namesrv org.apache.rocketmq.namesrv.NamesrvStartup -c "$dir/namesrv.conf"
  wait_boot namesrv 180
}

start_broker() {
  if running broker; then return; fi
  if [ -n "$PROXY" ]; then
    jvm broker org.apache.rocketmq.proxy.ProxyStartup -pm local -bc "$dir/broker.conf" -pc "$dir/proxy.json"
  else
    jvm broker org.apache.rocketmq.broker.BrokerStartup -c "$dir/broker.conf"
  fi
  wait_boot broker 180 && wait_registered
}

failed_by_port() { grep -qiE 'failed to bind|BindException|address already in use' "$dir/$1.log" 2>/dev/null; }

show_logs() {
  local part
  for part in namesrv broker; do
    [ -f "$dir/$part.log" ] && grep -vE '\|-(INFO|WARN) |^[[:space:]]+at ' "$dir/$part.log" | tail -n 15 >&2 || true
  done
}

cmd_start() {
  local version="" namesrv_port="" broker_port="" namesrv="" cluster="" name="" levels="" acl="" acl_file="" owner="" remove=""
  local proxy="" proxy_port=""
  local extra=() opts=()
  while [ $# -gt 0 ]; do
    case $1 in
    --remove) remove=1; shift; continue ;;
    --proxy) proxy=1; shift; continue ;;
    esac
    [ $# -ge 2 ] || die 2 "$1 needs a value"
    case $1 in
    --version) version=$2 ;;
    --namesrv-port) namesrv_port=$2 ;;
    --broker-port) broker_port=$2 ;;
    --proxy-port) proxy=1 proxy_port=$2 ;;
    --namesrv) namesrv=$2 ;;
    --cluster) cluster=$2 ;;
    --broker-name) name=$2 ;;
    --delay-levels) levels=$2 ;;
    --conf) extra+=("$2") ;;
    --acl) acl=$2 ;;
    --acl-file) acl_file=$2 ;;
    --java-opt) opts+=("$2") ;;
    --watch) owner=$2 ;;
    *) die 2 "start: unknown option $1" ;;
    esac
    shift 2
  done
  NAMESRV="" BROKER="" PROXY="" VERSION="" CLUSTER="" BROKER_NAME="" JOINED=""
  if [ -f "$dir/env" ]; then load_env; fi
  if [ -n "$VERSION" ] && [ "${version:-$VERSION}" != "$VERSION" ]; then
    die 2 "$dir holds a node of $VERSION; stores of different versions do not mix"
  fi
  VERSION=${version:-${VERSION:-5.5.0}} CLUSTER=${cluster:-${CLUSTER:-local}} BROKER_NAME=${name:-${BROKER_NAME:-broker-a}}
  if [ -n "$PROXY" ]; then proxy=1; fi
  case $proxy$VERSION in 14.*) die 2 "4.x has no proxy" ;; esac
  need java
  fetch "$VERSION${proxy:+-proxy}"
  mkdir -p "$dir"
  if running broker && { [ -n "$JOINED" ] || running namesrv; }; then
    cat "$dir/env"
    return
  fi
  if [ -n "$namesrv" ]; then NAMESRV=$namesrv JOINED=1; fi

  : >"$dir/extra.conf"
  : >"$dir/java.opts"
  case $levels in
  "") ;;
  short) echo "messageDelayLevel=$short_levels" >>"$dir/extra.conf" ;;
  *) echo "messageDelayLevel=$levels" >>"$dir/extra.conf" ;;
  esac
  if [ -n "$acl" ]; then write_acl "$acl" "$acl_file"; fi
  if [ ${#extra[@]} -gt 0 ]; then printf '%s\n' "${extra[@]}" >>"$dir/extra.conf"; fi
  if [ ${#opts[@]} -gt 0 ]; then printf '%s\n' "${opts[@]}" >>"$dir/java.opts"; fi
  rm -f "$dir/abandoned"
  if [ -n "$owner" ]; then start_watch "$owner" "$remove"; fi

  local try
  for try in 1 2 3 4 5; do
    if [ -z "$JOINED" ]; then
      if [ -n "$namesrv_port" ]; then NAMESRV=127.0.0.1:$namesrv_port; fi
      if [ -z "$NAMESRV" ]; then NAMESRV=127.0.0.1:$(free_port); fi
    fi
    if [ -n "$broker_port" ]; then BROKER=127.0.0.1:$broker_port; fi
    if [ -z "$BROKER" ]; then BROKER=127.0.0.1:$(free_port); fi
    if [ -n "$proxy_port" ]; then PROXY=127.0.0.1:$proxy_port; fi
    if [ -n "$proxy" ] && [ -z "$PROXY" ]; then PROXY=127.0.0.1:$(free_port); fi
    write_conf
    if start_namesrv && start_broker; then
      write_env
      cat "$dir/env"
      return
    fi
    end broker KILL 5
    end namesrv KILL 5
    # Somebody else took a port between the look and the bind: choose again, unless the caller chose.
    if failed_by_port namesrv && [ -z "$namesrv_port" ]; then
      NAMESRV=""
    elif failed_by_port broker && [ -z "$broker_port" ]; then
      BROKER=""
      if [ -z "$proxy_port" ]; then PROXY=""; fi
    else
      break
    fi
  done
  stop_watch
  show_logs
  die 5 "RocketMQ $VERSION did not start; its logs are in $dir"
}

# parts lists what a command without a part is about, the broker first.
parts() {
  case ${1:-} in
  "") if [ -n "$JOINED" ]; then echo broker; else echo broker namesrv; fi ;;
  broker | namesrv) echo "$1" ;;
  *) die 2 "no part of a node: $1" ;;
  esac
}

cmd_signal() { # cmd_signal SIGNAL [PART]
  local part pid
  for part in $(parts "${2:-}"); do
    pid=$(pid_of "$part")
    alive "$pid" "$dir" || die 1 "$part does not run"
    kill "-$1" "$pid"
  done
}

cmd_status() {
  local part status=0
  for part in $(parts); do
    if running "$part"; then
      printf '%-8s %-21s pid %s\n' "$part" "$([ "$part" = broker ] && echo "$BROKER" || echo "$NAMESRV")" "$(pid_of "$part")"
    else
      printf '%-8s stopped\n' "$part"
      status=1
    fi
  done
  return $status
}

cmd_admin() {
  [ $# -gt 0 ] || die 2 "admin: which mqadmin command?"
  local out status=0 server=(-n "$NAMESRV") arg
  for arg in "$@"; do case $arg in -n | -h) server=() ;; esac; done
  out=$(java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Drocketmq.home.dir=$dir" "-Duser.home=$dir/home" \
    -cp "$(lib_of "$(jar_set)")/*" org.apache.rocketmq.tools.command.MQAdminStartup "$@" ${server[@]+"${server[@]}"} 2>&1 </dev/null) || status=$?
  out=$(printf '%s\n' "$out" | grep -vE '^[0-9:,]+ \|-(INFO|WARN|ERROR) in |^OpenJDK 64-Bit Server VM warning|^(SLF4J|RocketMQLog):|^[[:space:]]+(at |\.\.\. [0-9])' || true)
  printf '%s\n' "$out"
  # mqadmin's own exit status is 0 whatever happened.
  if grep -qE '^(Caused by: )?(org|java|io)\.[A-Za-z.$]+(Exception|Error)(:|$)|^The sub command .* not exist' <<<"$out"; then status=1; fi
  return "$status"
}

main() {
  local command=${1:-help} dir=""
  [ $# -gt 0 ] && shift
  case $command in
  help | -h | --help) usage; return ;;
  fetch)
    [ $# -gt 0 ] || die 2 "fetch: which version?"
    local set
    for set in "$@"; do
      fetch "$set"
      lib_of "$set"
      echo
    done
    return
    ;;
  esac
  if [ "${1:-}" != --dir ] || [ -z "${2:-}" ]; then die 2 "$command: --dir DIR must come first (rocketmq.sh help)"; fi
  case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
  shift 2
  if [ "$command" = start ]; then cmd_start "$@"; return; fi
  load_env
  case $command in
  stop | kill) ;;
  *) need java ;;
  esac
  local part grace=10
  case $command in stop | restart-*)
    if [ "${1:-}" = --grace ]; then grace=${2:?--grace needs seconds}; fi
    ;;
  esac
  case $command in
  stop)
    stop_watch
    end broker TERM "$grace"
    if [ -z "$JOINED" ]; then end namesrv TERM 1; fi # it keeps nothing
    write_env
    ;;
  kill)
    [ -n "${1:-}" ] || stop_watch
    for part in $(parts "${1:-}"); do end "$part" KILL 5; done
    write_env
    ;;
  restart-broker | restart-namesrv)
    part=${command#restart-}
    end "$part" TERM "$grace"
    "start_$part" || { show_logs; die 5 "the $part did not start; its logs are in $dir"; }
    write_env
    ;;
  pause) cmd_signal STOP "${1:-}" ;;
  resume) cmd_signal CONT "${1:-}" ;;
  status) cmd_status ;;
  env) cat "$dir/env" ;;
  admin) cmd_admin "$@" ;;
  *) die 2 "unknown command $command (rocketmq.sh help)" ;;
  esac
}

main "$@"

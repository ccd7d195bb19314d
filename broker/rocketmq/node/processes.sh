# shellcheck shell=bash
# The part of rocketmq.sh that starts, ends and guards the JVMs of the node in $dir; it is sourced, not run.

# alive PID DIR: the process runs, is no zombie, and is a JVM of that folder (process ids are used again).
alive() {
  [ -n "$1" ] && kill -0 "$1" 2>/dev/null || return 1
  if [ -r "/proc/$1/cmdline" ]; then
    local arg
    while IFS= read -r -d '' arg; do
      [ "$arg" = "-Drocketmq.home.dir=$2" ] && return 0
    done 2>/dev/null <"/proc/$1/cmdline"
    return 1
  else
    case "$(ps -o stat= -o args= -p "$1" 2>/dev/null)" in Z*) return 1 ;; *"-Drocketmq.home.dir=$2"*) return 0 ;; esac
    return 1
  fi
}

pid_of() { cat "$dir/$1.pid" 2>/dev/null || true; }
running() { alive "$(pid_of "$1")" "$dir"; }

# gone PID: the process has ended, its last thread included, so that its ports are closed. It may remain a zombie
# where nobody reaps orphans.
gone() {
  [ -n "$1" ] && kill -0 "$1" 2>/dev/null || return 0
  local stat tasks
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  tasks=("/proc/$1/task/"*)
  case ${stat##*) } in [ZX]*) [ ${#tasks[@]} -le 1 ] ;; *) return 1 ;; esac
}

# end PART SIGNAL SECONDS: send the signal, wait, kill -9 what is left.
end() {
  local pid tenths=$(($3 * 10))
  pid=$(pid_of "$1")
  if alive "$pid" "$dir"; then
    kill -CONT "$pid" 2>/dev/null || true
    kill "-$2" "$pid" 2>/dev/null || true
    until gone "$pid"; do
      if [ "$tenths" -le 0 ]; then
        kill -KILL "$pid" 2>/dev/null || true
        tenths=50
      fi
      tenths=$((tenths - 1))
      sleep 0.1
    done
  fi
  rm -f "$dir/$1.pid"
}

# loopback_only prints the library that keeps a server on loopback which has no setting for it, built once. Where there is
# no Linux or no C compiler it prints nothing, and says what then holds.
loopback_only() {
  local source=$here/loopback.c.txt built
  built=$cache/loopback-$(cksum <"$source" | tr ' ' -).so
  if [ ! -f "$built" ]; then
    if [ "$(uname -s)" != Linux ] || ! mkdir -p "$cache" || ! cc -shared -fPIC -O1 -o "$built.$$" -x c "$source" -ldl 2>"$dir/loopback.log"; then
      say "no C compiler, or no Linux: parts of RocketMQ listen on every interface"
      return
    fi
    mv "$built.$$" "$built"
  fi
  echo "$built"
}

# launch PART ARGS… starts a JVM in a process group of its own, so that Ctrl-C in a terminal does not reach it.
launch() {
  local part=$1 preload
  shift
  preload=$(loopback_only)
  : >"$dir/$part.log" # here, since wait_boot must not find the line of the last run
  set -m
  LD_PRELOAD=$preload${LD_PRELOAD:+:$LD_PRELOAD} nohup java "$@" >"$dir/$part.log" 2>&1 </dev/null 8>&- 9>&- &
  set +m
  echo $! 2>/dev/null >"$dir/$part.pid" || true
  disown $!
  if [ -e "$dir/abandoned" ] || [ ! -d "$dir" ]; then # by the watch, which may have looked before the pid was there
    kill -KILL $! 2>/dev/null || true
    die 1 "the owner of $dir is gone"
  fi
}

# wait_boot PART SECONDS waits for the line that name server and broker, or a broker with a proxy, print when they are up.
wait_boot() {
  local tenths=$(($2 * 10))
  until grep -qE 'boot success|proxy startup successfully' "$dir/$1.log" 2>/dev/null; do
    ! gone "$(pid_of "$1")" || return 1 # "running" would be wrong in the moment before the process becomes java
    [ "$tenths" -gt 0 ] || { say "$1: no boot success after $2 s"; return 1; }
    tenths=$((tenths - 1))
    sleep 0.1
  done
}

# watch PID REMOVE is the guard that leaves no JVM behind when its owner dies, however it dies.
watch() {
  trap '' HUP INT TERM
  local started owner=$1
  started=$(ps -o lstart= -p "$owner" 2>/dev/null || true)
  while kill -0 "$owner" 2>/dev/null && [ "$(ps -o lstart= -p "$owner" 2>/dev/null || true)" = "$started" ]; do
    sleep 1
    [ "$(cat "$dir/watch.pid" 2>/dev/null)" = "$BASHPID" ] || exit 0
  done
  : >"$dir/abandoned"
  end broker KILL 5
  end namesrv KILL 5
  rm -f "$dir/watch.pid"
  if [ -n "$2" ]; then rm -rf "$dir"; fi
}

start_watch() {
  set -m
  watch "$1" "$2" >/dev/null 2>&1 </dev/null 8>&- 9>&- &
  set +m
  echo $! >"$dir/watch.pid"
  disown $!
}

stop_watch() { rm -f "$dir/watch.pid"; }

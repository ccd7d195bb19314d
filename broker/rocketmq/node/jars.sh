# shellcheck shell=bash
# The part of rocketmq.sh that gets Java, Maven and the jars; it is sourced, not run.

cache=${ROCKETMQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/deadletteroffice}

# need TOOL… makes sure that the tools are there, and installs them where nobody has to be asked.
need() {
  local tool missing=""
  for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"; done
  [ -z "$missing" ] && return
  local packages="default-jre-headless" sudo=""
  case $missing in *mvn*) packages="$packages maven" ;; esac
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || { [ -n "${CI:-}" ] && sudo -n true 2>/dev/null; }; }; then
    say "installing$missing: apt-get install $packages"
    # shellcheck disable=SC2086
    $sudo apt-get update -qq >&2 && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >&2 ||
      die 3 "apt-get could not install $packages"
    return
  fi
  if command -v apt-get >/dev/null 2>&1; then
    die 3 "RocketMQ needs$missing. Install it with: sudo apt-get install -y $packages"
  elif command -v brew >/dev/null 2>&1; then
    die 3 "RocketMQ needs$missing. Install it with: brew install openjdk maven"
  fi
  die 3 "RocketMQ needs$missing. Install a Java runtime (8 or newer) and Apache Maven"
}

lib_of() { printf '%s/rocketmq-%s/lib' "$cache" "$1"; }

# fetch SET downloads into a folder of this process and renames it into place, so that a half download is never
# taken for a whole one and two processes never write into one folder. A set is the version of a node, with -proxy
# behind it for a node with the gRPC proxy, or with -client for the Java gRPC client, whose classes the proxy has too.
fetch() {
  local set=$1 version target tmp get=(dependency:copy-dependencies -DincludeScope=runtime)
  version=${set%-*}
  case $version in [0-9]*.[0-9]*.[0-9]*) ;; *) die 2 "not a version: $version" ;; esac
  case $set in
  "$version") ;;
  *-proxy) get+=(-Pproxy) ;;
  *-client) get=(dependency:copy "-Dartifact=org.apache.rocketmq:rocketmq-client-java:$version") ;;
  *) die 2 "no set of jars: $set" ;;
  esac
  target=$cache/rocketmq-$set
  [ -d "$target/lib" ] && return
  need java mvn
  mkdir -p "$cache"
  (
    if command -v flock >/dev/null 2>&1; then
      exec 9>"$target.lock"
      flock 9
      [ -d "$target/lib" ] && exit 0
    fi
    tmp=$(mktemp -d "$cache/fetch-$set.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    say "downloading RocketMQ $set from Maven Central (about 30 MB for 4.9.7 and 5.2.0-client, 100 MB for 5.5.0)"
    mvn -q -B -f "$here/pom.xml" "${get[@]}" "-Drocketmq.version=$version" "-DoutputDirectory=$tmp/node/lib" >"$tmp/mvn.log" 2>&1 </dev/null ||
      { tail -n 20 "$tmp/mvn.log" >&2; die 4 "the download of RocketMQ $set failed"; }
    chmod 755 "$tmp/node"
    mv "$tmp/node" "$target" 2>/dev/null || [ -d "$target/lib" ] || die 4 "cannot write $target"
    rm -rf "$target/node" # where a second process without flock lost the race
  )
}

#!/bin/sh
# Installs a Penstock agent on a gateway, from the hub that serves this file. It holds no secret.
#
#   (umask 077; printf %s 'TOKEN' > penstock-join-token)
#   curl -fsSL HUB/install.sh | sudo sh -s -- --hub HUB --join-token-file penstock-join-token
#
# Running it again brings the agent to the hub's build and keeps its identity and its data.
set -eu
# The service's own user reads what root writes here, however strict root's umask is.
umask 022

HUB=""
TOKEN_FILE=""
NAME=""
LABELS=""
PREFIX=""
DENO="${DENO:-}"
DRY_RUN=0
UNINSTALL=0
PURGE=0
SYSTEMD=1
CA_FILE=""
DENO_VERSION="2.9.6"
MEMORY_MIN_KB=262144
CLOCK_SKEW_MAX_S=30
ONLINE_WITHIN_S=60

usage() {
  cat <<'EOF'
Usage: install.sh --hub URL --join-token-file FILE [options]

  --hub URL               Address of the hub
  --join-token-file FILE  One-off join token; deleted once the agent is enrolled. Not needed again
  --name NAME             Name of the agent; default: name of this machine
  --label KEY=VALUE       A label; may be repeated
  --prefix DIR            Put everything below DIR instead of / (no dedicated user then)
  --deno FILE             The Deno program to run the agent with; default: the one on the PATH
  --ca-file FILE          Certificate authority of the hub, where the system does not know it
  --no-systemd            Start no service: run the agent in the background, for a trial
  --dry-run               Check and say what would be done; change nothing
  --uninstall             Stop and remove the agent; its data stays
  --purge                 With --uninstall: remove its data and credential too
EOF
}

say() { printf '%s\n' "$*"; }
fail() { printf 'Error: %s\n' "$*" >&2; exit 1; }
run() {
  if [ "$DRY_RUN" = 1 ]; then say "would run: $*"; else "$@"; fi
}

while [ $# -gt 0 ]; do
  case "$1" in
    --hub | --join-token-file | --name | --label | --prefix | --deno | --ca-file)
      [ $# -ge 2 ] || fail "$1 wants a value"
      case "$1" in
        --hub) HUB="${2%/}" ;;
        --join-token-file) TOKEN_FILE="$2" ;;
        --name) NAME="$2" ;;
        --label)
          case "$2" in
            *[!A-Za-z0-9._:/@=+-]*) fail "--label \"$2\" wants KEY=VALUE of letters, digits and . _ : / @ + -" ;;
            ?*=*) LABELS="$LABELS $2" ;;
            *) fail "--label \"$2\" wants KEY=VALUE" ;;
          esac
          ;;
        --prefix) PREFIX="${2%/}" ;;
        --deno) DENO="$2" ;;
        --ca-file) CA_FILE="$2" ;;
      esac
      shift 2
      ;;
    --no-systemd) SYSTEMD=0; shift ;;
    --dry-run) DRY_RUN=1; shift ;;
    --uninstall) UNINSTALL=1; shift ;;
    --purge) PURGE=1; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" ;;
  esac
done

case "$NAME" in *[!a-z0-9-]*) fail "--name \"$NAME\" wants a-z, 0-9 and -" ;; esac

LIB="$PREFIX/usr/local/lib/penstock"
# All that the agent writes; its data in a folder of its own, since the lock lies beside that.
HOME_DIR="$PREFIX/var/lib/penstock-agent"
DATA="$HOME_DIR/data"
UNIT="$PREFIX/etc/systemd/system/penstock-agent.service"
PID_FILE="$DATA/agent.pid"
LOG_FILE="$DATA/agent.log"

# ---------------------------------------------------------------- take it away

stop_background() {
  [ -f "$PID_FILE" ] || return 0
  pid=$(cat "$PID_FILE")
  if kill -0 "$pid" 2>/dev/null; then
    run kill "$pid"
    waited=0
    while kill -0 "$pid" 2>/dev/null && [ "$waited" -lt 20 ] && [ "$DRY_RUN" = 0 ]; do
      sleep 1
      waited=$((waited + 1))
    done
  fi
  run rm -f "$PID_FILE"
}

if [ "$UNINSTALL" = 1 ]; then
  if [ "$SYSTEMD" = 1 ] && [ -z "$PREFIX" ] && [ -f "$UNIT" ]; then
    run systemctl disable --now penstock-agent.service
  fi
  stop_background
  run rm -f "$UNIT"
  run rm -rf "$LIB"
  if [ "$SYSTEMD" = 1 ] && [ -z "$PREFIX" ]; then run systemctl daemon-reload; fi
  if [ "$PURGE" = 1 ]; then
    run rm -rf "$HOME_DIR"
    say "The agent and its data are gone. Remove it in the hub too: penstock agents remove NAME"
  else
    say "The agent is gone; its data is in $DATA. Remove it in the hub too: penstock agents remove NAME"
  fi
  exit 0
fi

# ---------------------------------------------------------------- checks

[ -n "$HUB" ] || { usage >&2; fail "--hub is missing"; }
case "$HUB" in http://* | https://*) ;; *) fail "--hub wants an address such as https://hub.example.org" ;; esac
command -v curl >/dev/null || fail "curl is missing: install it"
command -v sha256sum >/dev/null || fail "sha256sum is missing: install coreutils"

fetch() { # PATH FILE
  if [ -n "$CA_FILE" ]; then
    curl -fsS --retry 3 --cacert "$CA_FILE" -o "$2" "$HUB$1"
  else
    curl -fsS --retry 3 -o "$2" "$HUB$1"
  fi
}

[ "$(uname -s)" = Linux ] || fail "this is $(uname -s): an agent needs Linux"
case "$(uname -m)" in
  x86_64 | aarch64) say "ok    machine: $(uname -m)" ;;
  *) fail "this machine is $(uname -m): Deno runs on x86_64 and aarch64 alone" ;;
esac
if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then
  say "ok    C library: $(getconf GNU_LIBC_VERSION)"
else
  fail "no GNU C library here: Deno does not run on musl (Alpine, OpenWrt)"
fi
memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
[ "${memory_kb:-0}" -ge "$MEMORY_MIN_KB" ] ||
  fail "$((${memory_kb:-0} / 1024)) MB of memory are free: an agent wants $((MEMORY_MIN_KB / 1024)) MB"
say "ok    memory: $((memory_kb / 1024)) MB free"

# The authority given at the last run holds until another is.
[ -n "$CA_FILE" ] || [ ! -f "$LIB/hub-ca.pem" ] || CA_FILE="$LIB/hub-ca.pem"
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT INT TERM
if [ -n "$CA_FILE" ]; then set -- --cacert "$CA_FILE"; else set --; fi
curl -fsSI "$@" -o "$WORK/headers" "$HUB/healthz" ||
  fail "the hub does not answer at $HUB: check address, network, proxy and certificate"
hub_date=$(tr -d '\r' <"$WORK/headers" | sed -n 's/^[Dd]ate: //p')
say "ok    hub: $HUB answers"
if [ -n "$hub_date" ]; then
  skew=$(($(date -d "$hub_date" +%s) - $(date +%s)))
  [ "${skew#-}" -le "$CLOCK_SKEW_MAX_S" ] ||
    fail "the clock differs from the hub's by ${skew#-} s: set it (timedatectl set-ntp true) and run this again"
  say "ok    clock: within $CLOCK_SKEW_MAX_S s of the hub's"
fi

[ -n "$DENO" ] || DENO=$(command -v deno || true)
if [ -z "$DENO" ]; then
  fail "Deno $DENO_VERSION is missing. Copy its program to /usr/local/bin/deno: it is in the npm package
  @deno/linux-x64-glibc or @deno/linux-arm64-glibc at version $DENO_VERSION, and at
  https://github.com/denoland/deno/releases/tag/v$DENO_VERSION. Then run this again"
fi
if [ "$SYSTEMD" = 1 ] && [ -z "$PREFIX" ]; then
  case "$DENO" in
    /home/* | /root/* | /run/user/*) fail "$DENO cannot be run by the service: copy it to /usr/local/bin/deno" ;;
  esac
fi
found=$("$DENO" --version | sed -n 's/^deno \([0-9.]*\).*/\1/p')
[ "$found" = "$DENO_VERSION" ] ||
  fail "$DENO is Deno $found: this build was made for $DENO_VERSION. Install it beside, and say --deno FILE"
say "ok    Deno: $DENO_VERSION at $DENO"

if [ -f "$DATA/credential.json" ]; then
  say "ok    identity: enrolled already, kept"
else
  [ -n "$TOKEN_FILE" ] || fail "--join-token-file is missing: make a token with \`penstock tokens create\`"
  [ -s "$TOKEN_FILE" ] || fail "there is no join token in $TOKEN_FILE"
fi
if [ -z "$PREFIX" ] && [ "$(id -u)" != 0 ] && [ "$DRY_RUN" = 0 ]; then
  fail "run this as root, or with --prefix DIR"
fi

# ---------------------------------------------------------------- fetch and check the build

fetch /install/SHA256SUMS "$WORK/SHA256SUMS"
for file in agent.js runner.js; do fetch "/install/$file" "$WORK/$file"; done
(cd "$WORK" && sha256sum -c --quiet SHA256SUMS) || fail "what the hub sent is damaged: run this again"
say "ok    build: checksums fit"

if [ "$DRY_RUN" = 1 ]; then
  say "would write: $LIB/agent.js $LIB/runner.js"
  say "would keep data in: $DATA"
  [ "$SYSTEMD" = 1 ] && say "would write and start: $UNIT"
  [ "$SYSTEMD" = 1 ] || say "would start the agent in the background, log in $LOG_FILE"
  say "Nothing was changed."
  exit 0
fi

# ---------------------------------------------------------------- put it in place

mkdir -p "$LIB" "$DATA"
chmod 755 "$LIB"
chmod 700 "$HOME_DIR" "$DATA"
for file in agent.js runner.js; do
  cp "$WORK/$file" "$LIB/$file.new"
  mv "$LIB/$file.new" "$LIB/$file"
done
if [ ! -f "$DATA/credential.json" ]; then
  (umask 077 && cp "$TOKEN_FILE" "$DATA/join-token")
fi

LABEL_FLAGS=""
for label in $LABELS; do LABEL_FLAGS="$LABEL_FLAGS --label $label"; done
NAME_FLAGS=""
[ -z "$NAME" ] || NAME_FLAGS="--name $NAME"
CA_FLAGS=""
if [ -n "$CA_FILE" ]; then
  # Homes are hidden from the service: it reads a copy.
  [ "$CA_FILE" = "$LIB/hub-ca.pem" ] || cp "$CA_FILE" "$LIB/hub-ca.pem"
  chmod 644 "$LIB/hub-ca.pem"
  CA_FLAGS="--cert $LIB/hub-ca.pem"
fi
# What the hub's build wants of Deno, one line.
fetch /install/deno-flags "$WORK/deno-flags"
COMMAND="$DENO run $(cat "$WORK/deno-flags") $CA_FLAGS $LIB/agent.js --hub $HUB"
COMMAND="$COMMAND --join-token-file $DATA/join-token --data-dir $DATA"
COMMAND="$COMMAND --runner-bundle $LIB/runner.js $NAME_FLAGS $LABEL_FLAGS"

if [ "$SYSTEMD" = 1 ]; then
  owner=root
  if [ -z "$PREFIX" ]; then
    owner=penstock-agent
    id "$owner" >/dev/null 2>&1 ||
      useradd --system --home-dir "$HOME_DIR" --no-create-home --shell /usr/sbin/nologin "$owner"
    chown -R "$owner:" "$HOME_DIR"
  fi
  mkdir -p "$(dirname "$UNIT")"
  cat >"$UNIT" <<EOF
[Unit]
Description=Penstock agent
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0

[Service]
User=$owner
ExecStart=$COMMAND
Environment=MALLOC_ARENA_MAX=1 NO_COLOR=1
Restart=always
RestartSec=2
RestartSteps=5
RestartMaxDelaySec=60
TimeoutStopSec=30
ReadWritePaths=$HOME_DIR
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryHigh=75%

[Install]
WantedBy=multi-user.target
EOF
  say "ok    service: $UNIT"
  if [ -z "$PREFIX" ]; then
    systemctl daemon-reload
    systemctl enable penstock-agent.service
    systemctl restart penstock-agent.service
  else
    say "Nothing was started: below a prefix there is no systemd. Use --no-systemd for a trial."
    exit 0
  fi
else
  stop_background
  # shellcheck disable=SC2086 # The command's words are its arguments.
  MALLOC_ARENA_MAX=1 NO_COLOR=1 nohup $COMMAND >>"$LOG_FILE" 2>&1 &
  echo $! >"$PID_FILE"
  say "ok    agent: process $(cat "$PID_FILE"), log in $LOG_FILE"
fi

# ---------------------------------------------------------------- proof

agent_field() { sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*/\1/p" "$DATA/credential.json"; }
waited=0
while [ "$waited" -lt "$ONLINE_WITHIN_S" ]; do
  if [ -f "$DATA/credential.json" ]; then
    rm -f "$DATA/join-token"
    credential=$(agent_field credential)
    # The credential goes in by standard input, so that it is no argument of a process.
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$credential" |
      curl -fsS "$@" -K - "$HUB/api/v1/agents/self" 2>/dev/null || true)
    case "$answer" in
      *'"isOnline":true'*)
        name=$(printf %s "$answer" | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')
        [ -z "$TOKEN_FILE" ] || rm -f "$TOKEN_FILE"
        say "Agent \"$name\" is online in the hub at $HUB."
        exit 0
        ;;
    esac
  fi
  sleep 1
  waited=$((waited + 1))
done
if [ "$SYSTEMD" = 1 ]; then
  journalctl -u penstock-agent.service -n 20 --no-pager >&2 || true
else
  tail -n 20 "$LOG_FILE" >&2 || true
fi
fail "the agent did not come online within $ONLINE_WITHIN_S s; its last lines are above"

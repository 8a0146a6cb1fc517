#!/usr/bin/env bash
# bash hub_sub.sh HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
export LC_ALL=C                                   # count bytes, not characters
fail() { echo "$1" >&2; exit 1; }
exec 3<>"/dev/tcp/$1/$2" 4>&1
request="SUBSCRIBE $3${4:+ from=$4}"
printf '%-10d%s' "${#request}" "$request" >&3
header() {                                        # ten characters: a number, then spaces
  read -r -N 10 -u 3 header || return
  [[ $header =~ ^(0|[1-9][0-9]*)\ *$ ]] || fail "not a length: $header"
}
header && read -r -N "${header%% *}" -u 3 answer && [[ $answer == "OK "* ]] || fail "not subscribed: $answer"
while header; do
  # As many bytes (GNU head reads no further), which wc counts on their way.
  [ "$(head -c "${header%% *}" <&3 | tee >(wc -c) >&4)" = "${header%% *}" ] || fail "the stream ended inside a frame"
  echo
done
[ -z "$header" ] || fail "the stream ended inside a frame"

#!/usr/bin/env bash
# bash hub_pub.sh HOST PORT CHANNEL      publishes each line of its input to a hub, and ends when all is stored
export LC_ALL=C                                   # count bytes, not characters (bash cannot hold NUL bytes)
exec 3<>"/dev/tcp/$1/$2"
answer() { read -r -N 10 -u 3 header && read -r -N "${header%% *}" -u 3 line; }
send() { printf '%-10d%s' "${#1}" "$1" >&3; }
send "PUBLISH $3"
answer && [[ $line == "OK "* ]] || { echo "${line:-no answer}" >&2; exit 1; }
count=0
while IFS= read -r m || [ -n "$m" ]; do send "$m" || exit 1; count=$((count + 1)); done
line="ACK 0"                                      # bash cannot half-close, so it waits for the number
until [ "$line" = "ACK $count" ]; do
  answer && [[ $line == "ACK "* ]] || { echo "${line:-the end came before ACK $count}" >&2; exit 1; }
done

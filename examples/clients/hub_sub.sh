#!/usr/bin/env bash
# bash hub_sub.sh HOST PORT CHANNEL [FROM]      prints each message of a hub's channel as it comes
export LC_ALL=C                                   # count bytes, not characters
exec 3<>"/dev/tcp/$1/$2"
request="SUBSCRIBE $3${4:+ from=$4}"
printf '%-10d%s' "${#request}" "$request" >&3
read -r -N 10 -u 3 header && read -r -N "${header%% *}" -u 3 answer
[[ $answer == "OK "* ]] || { echo "${answer:-no answer}" >&2; exit 1; }
while read -r -N 10 -u 3 header; do               # ten characters
  [[ $header =~ ^(0|[1-9][0-9]*)\ *$ ]] || exit 4 # a number, then spaces
  head -c "${header%% *}" <&3 || exit 4           # as many bytes (GNU head reads no further)
  echo
done
[ -z "$header" ]                                  # fails if the stream ended inside a header

#!/usr/bin/env bash
# bash http_pub.sh URL PRODUCER      publishes each line of its input once, however often this is run with the same input
export LC_ALL=C                                   # count bytes, not characters (bash cannot hold NUL bytes)
body=$(mktemp) || exit
trap 'rm -f "$body"' EXIT
while IFS= read -r m || [ -n "$m" ]; do printf '%-10d%s' "${#m}" "$m"; done > "$body"
until answer=$(curl -sS --fail-with-body "$1" -H 'Tenfold: 1' -H "Tenfold-Producer: $2" -H 'Tenfold-First: 0' \
                    -H 'Content-Type: application/vnd.tenfold' --data-binary @"$body"); do
  [[ $? -ne 22 || $answer == *'"status":503'* ]] || { echo "$answer" >&2; exit 1; }
  sleep 1                                         # the same again: what is there is left out
done

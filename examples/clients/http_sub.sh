#!/usr/bin/env bash
# bash http_sub.sh URL [FROM]      prints each message of a channel (http://localhost:10080/channels/ticks) as it comes, and goes on after a cut
export LC_ALL=C                                   # bytes, not characters
shopt -s lastpipe                                 # so that what the loop below sets is kept
from=${2-next} id=                                # id: of the last message that was whole
while :; do
  new= event= data=()
  curl -sSfNi "$1?as=sse&from=$from" -H "Last-Event-ID: $id" | while IFS= read -r line; do
    case $line in
      "Tenfold-From: "*) from=${line//[!0-9]/} ;; # in the head
      "id: "*) new=${line#id: } ;;
      "event: "*) event=${line#event: } ;;
      "data: "*) data+=("${line#data: }") ;;      # one for each line of the message
      "") case $event in
            gap) echo "messages are missing: ${data[*]}" >&2 ;;
            base64) base64 -d <<< "${data[0]}"; echo ;;
            *) [ ${#data[@]} -eq 0 ] || printf '%s\n' "${data[@]}" ;;
          esac
          id=${new:-$id} event= data=() ;;
    esac
  done
  case ${PIPESTATUS[0]} in
    0) exit 0 ;;                                  # the hub has ended, or the channel was deleted
    22) exit 1 ;;                                 # the hub says no; curl has said how
  esac
  sleep 1
done

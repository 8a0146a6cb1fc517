#!/usr/bin/env bash
# bash recv.sh HOST PORT      prints each message as it comes
export LC_ALL=C                                   # count bytes, not characters
exec 3<>"/dev/tcp/$1/$2"
while read -r -N 10 -u 3 header; do               # ten characters
  [[ $header =~ ^(0|[1-9][0-9]*)\ *$ ]] || exit 4 # a number, then spaces
  head -c "${header%% *}" <&3                     # as many bytes (GNU head reads no further)
  echo
done
[ -z "$header" ]                                  # fails if the stream ended inside a header

#!/usr/bin/env bash
# bash send.sh HOST PORT      sends each line of its input as one message (bash cannot hold NUL bytes)
export LC_ALL=C                                   # count bytes, not characters
exec 3<>"/dev/tcp/$1/$2"
while IFS= read -r m || [ -n "$m" ]; do
  printf '%-10d%s' "${#m}" "$m" >&3
done

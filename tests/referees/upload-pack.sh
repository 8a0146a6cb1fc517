#!/bin/sh
# git's server for `git clone --upload-pack`. Every byte passes through the command $THROUGH, in both directions,
# and what git says on either end stays in files in $TAP.
tee "$TAP/to-server" | sh -c "$THROUGH" | git upload-pack "$@" | tee "$TAP/from-server" | sh -c "$THROUGH"

"""What bash, zsh and fish offer when a person presses Tab: asked of the shells themselves, with the scripts of `tenfold completions`."""

import os
import shutil
import subprocess

import pytest

from support import BOUND, listener, read_message

# Each prints what is offered at the end of a line, one word in each line.
BASH = r"""
source "$SCRIPT"
COMP_LINE="$LINE"
# As bash cuts a line: a colon is a word of its own.
read -r -a COMP_WORDS <<< "${LINE//:/ : }"
[[ $LINE == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_tenfold tenfold "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""
FISH = r"""
source $SCRIPT
complete -C "$LINE" | string split -f1 \t
"""
# zsh completes in a terminal only, so it has one; what its completion adds is written to a file.
ZSH_SETUP = r"""
PS1=
autoload -U compinit
compinit -u -d $HOME/dump
source $SCRIPT
compdef _tenfold tenfold
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a found
    builtin compadd -A found "$@"
    print -l -- $found >> $HOME/offered
}
finish() { echo FINISHED >> $HOME/offered }
comppostfuncs=(finish)
bindkey '^I' complete-word
echo REA""DY
"""
ZSH = r"""
zmodload zsh/zpty
rm -f $HOME/offered
zpty z zsh -f -i
zpty -w z 'source $HOME/setup'
zpty -r -m z line '*READY*'
zpty -w -n z "$LINE"$'\t'
until grep -q FINISHED $HOME/offered 2> /dev/null; do sleep 0.01; done
cat $HOME/offered
"""


@pytest.fixture(params=["bash", "zsh", "fish"])
def offered(request, binary, tmp_path):
    """The words that a shell offers at the end of a line."""
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_bytes(subprocess.run([binary, "completions", shell], check=True, capture_output=True, timeout=BOUND).stdout)
    (tmp_path / "setup").write_text(ZSH_SETUP)
    # The script calls `tenfold`, wherever that is.
    (tmp_path / "tenfold").symlink_to(binary)

    def offer(line: str, **environment: str) -> set[str]:
        env = dict(os.environ, SCRIPT=os.fspath(script), LINE=line, HOME=os.fspath(tmp_path), **environment)
        env |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TERM": "dumb"}
        text = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
        done = subprocess.run([shell, "-c", text], env=env, capture_output=True, timeout=BOUND)
        return set(done.stdout.decode().split())

    return offer


def test_presets_are_offered(offered):
    assert {"netstring", "native-messaging"} <= offered("tenfold recv - --framing n")
    assert "mqtt" not in offered("tenfold recv - --framing n")
    assert "postgres" in offered("tenfold bridge - :1 --to post")


def test_places_are_offered(offered):
    assert {"first", "next", "last"} <= offered("tenfold sub ticks --from ")


@pytest.mark.parametrize("command", ["sub", "pub", "chat", "delete"])
def test_the_channels_of_the_hub_are_offered(offered, hub, command):
    place = hub()
    for name in ["ticks", "trades", "quotes.a"]:
        place.publish(name, [b"one"])
    assert {"ticks", "trades"} <= offered(f"tenfold {command} t", TENFOLD_SERVER=f"127.0.0.1:{place.port}")
    assert "quotes.a" in offered(f"tenfold {command} -s 127.0.0.1:{place.port} q", TENFOLD_SERVER="127.0.0.1:1")
    assert "quotes.a" in offered(f"tenfold {command} --server :{place.port} q", TENFOLD_SERVER="127.0.0.1:1")


def test_nothing_is_said_where_there_is_no_hub(offered):
    assert not {word for word in offered("tenfold sub ti", TENFOLD_SERVER="127.0.0.1:1") if "connect" in word or "error" in word}


def test_a_hub_that_says_nothing_holds_nobody_up_for_long(offered):
    server, address = listener()
    with server:
        assert "ticks" not in offered("tenfold sub ti", TENFOLD_SERVER=address)


def test_names_are_names_whatever_a_hub_says(tenfold):
    """A shell may take what is printed for something to do."""
    server, address = listener()
    channels = tenfold("channels", "--names", "-s", address)
    with server:
        sock, _ = server.accept()
        with sock:
            # A request that nobody has read makes a reset of the close, and the reset takes the answer with it.
            assert read_message(sock) == b"CHANNELS"
            for name in ["ticks", "$(touch /tmp/x)", "a b", "-rf"]:
                line = b'{"channel":"%s","epoch":"00"}' % name.encode()
                sock.sendall(b"%-10d%s" % (len(line), line))
    assert channels.wait() == 0, channels.err
    assert channels.out == b"ticks\n"

"""What holds for all tests."""

import signal

# Whoever started the tests may have had them ignore signals (nohup, a shell's background job). That is inherited, and
# tests are about programs that are told to end.
_USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGQUIT: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
for number, usual in _USUAL.items():
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

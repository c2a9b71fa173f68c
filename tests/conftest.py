"""What holds for all tests."""

import signal

# Whoever started the tests may have had them ignore signals (nohup, a shell's background job). That is inherited, and
# tests are about programs that are told to end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

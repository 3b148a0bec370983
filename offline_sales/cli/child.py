# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What the supervisor starts: a command of trytond that ends with it

python -m offline_sales_cli.child MODULE ARGUMENT…
"""
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent():
    """Have Linux end this process when its parent dies, however it does, and
    with it those that it has made"""
    if sys.platform == 'linux':
        signal.signal(
            signal.SIGTERM, lambda *args: os.killpg(0, signal.SIGKILL))
        import ctypes
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main():
    end_with_parent()
    # By which trytond ends in good order, whoever started the supervisor
    signal.signal(signal.SIGINT, signal.default_int_handler)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)

# Runs a Python program until standard input ends, which it does when the process
# that holds the other end is gone, however it went. Then the program and all that
# it has started are killed.
import os, runpy, signal, sys, threading


def watch():
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


threading.Thread(target=watch, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")

"""A witness that nobody here wrote (PyPI aics-witness) cosigns the bridge's log, and refuses it after a backup was restored.

It needs Python 3.12 or newer and says so when there is none; it is installed beside the other foreign clients."""
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from claims import claim

BASCULE = os.environ["BASCULE"]
FOLDER = pathlib.Path(os.environ["FOREIGN"]) / "witnessed"
WANTED = ["aics-witness==0.1.0", "aics-tlog==0.2.1"]


def new_enough():
    """A Python of 3.12 or newer."""
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    named = glob.glob(f"{root}/versions/3.1[2-9]*/bin/python3")
    for python in [sys.executable, *named, "python3.14", "python3.13", "python3.12"]:
        asked = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"]
        try:
            if subprocess.run(asked, check=False).returncode == 0:
                return python
        except OSError:
            continue
    return None


def installed(python):
    """The folder of programs with the witness in it."""
    venv = pathlib.Path(sys.prefix).parent / "witness"
    if not (venv / "bin/aics-witness").exists():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([python, "-m", "venv", venv], check=True)
        pip = [venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *WANTED]
        subprocess.run(pip, check=True)
    return venv / "bin"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bascule(*arguments):
    return subprocess.run([BASCULE, *arguments], capture_output=True, text=True, check=False)


def wait_for(true, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if true():
            return True
        time.sleep(0.2)
    return False


def start(arguments, name):
    out = open(FOLDER / name, "w", encoding="utf-8")  # the process holds it
    return subprocess.Popen(arguments, stdout=out, stderr=out)


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def house():
    """The folder of a demo that has ended: its configuration and the keys of its logs."""
    ports = ["--port", str(free_port()), "--portal-port", str(free_port())]
    demo = start([BASCULE, "demo", "--data", FOLDER / "demo", "--patients", "1", *ports], "demo.txt")
    opened = wait_for(lambda: "Ctrl-C" in (FOLDER / "demo.txt").read_text(), 180)
    stop(demo)
    claim("a house to be witnessed opens", opened)
    config = str(FOLDER / "demo/bascule.toml")
    said = bascule("audit", "verify", "--config", config).stdout
    return config, [word for word in said.split() if word.startswith("localhost/") and "+" in word]


def main():
    python = new_enough()
    if python is None:
        print("skipped: aics-witness needs Python 3.12 or newer")
        claim("the witness is skipped with a line", True)
        return
    FOLDER.mkdir(parents=True)
    programs = installed(python)
    config, keys = house()
    program, own = str(programs / "aics-witness"), str(FOLDER / "witness.json")
    listen = f"127.0.0.1:{free_port()}"
    run = lambda verb, *more: subprocess.run(
        [program, verb, "--config", own, *more], capture_output=True, text=True, check=False
    )
    vkey = next(word for word in run("init", "--name", "witness.example/w1").stdout.split() if "+" in word)
    for key in keys:
        run("add-log", "--origin", key.split("+")[0], "--vkey", key)
    witness = start([program, "serve", "--config", own, "--listen", listen], "witness.txt")
    wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", int(listen.split(":")[1]))) == 0)
    text = pathlib.Path(config).read_text(encoding="utf-8")
    line = f'witness_interval_seconds = 1\nwitness = [{{ url = "http://{listen}", key = "{vkey}" }}]\nnode ='
    pathlib.Path(config).write_text(text.replace("node =", line, 1), encoding="utf-8")
    serving = start([BASCULE, "serve", "--config", config], "serve.txt")
    verify = lambda: bascule("audit", "verify", "--config", config, "--witness", vkey, "--quorum", "1")
    claim("aics-witness cosigns the bridge's log", wait_for(lambda: verify().returncode == 0))
    stop(serving)
    for name in ("data", "lock"):
        shutil.copytree(FOLDER / "demo" / name, FOLDER / "backup" / name)
    size = lambda: max((log["size"] for log in json.loads(run("status", "--json").stdout)["logs"]), default=0)
    before = size()
    serving = start([BASCULE, "serve", "--config", config], "serve.txt")
    claim("it cosigns what the log has grown by", wait_for(lambda: size() > before))
    stop(serving)
    for name in ("data", "lock"):
        shutil.rmtree(FOLDER / "demo" / name)
        shutil.copytree(FOLDER / "backup" / name, FOLDER / "demo" / name)
    refused = bascule("serve", "--config", config)
    claim("a restored backup is refused by its word", refused.returncode == 70 and "contradicts" in refused.stderr)
    stop(witness)


main()

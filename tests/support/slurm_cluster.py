"""A SLURM cluster of this one machine: a controller and two nodes with two stand-in GPUs each."""

import contextlib
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path

import psutil

ETC = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
CONFIG = """\
# Written by the tests of MML.
ClusterName=test
SlurmctldHost={host}
SlurmctldPort=17000
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
GresTypes=gpu
KillWait=10
MinJobAge=7200
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed.txt
MpiDefault=none
ReturnToService=2
SlurmdTimeout=15
NodeName=DEFAULT CPUs=32 RealMemory=64000 Gres=gpu:fake:2
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port=17001 Weight=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port=17002 Weight=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=n[1-2] Default=YES PreemptMode=OFF
PartitionName=gpu Nodes=n[1-2] PreemptMode=OFF
PartitionName=first Nodes=n1 PreemptMode=OFF
PartitionName=back Nodes=n2
PartitionName=spot Nodes=n2 PreemptMode=CANCEL
PartitionName=graceful Nodes=n2 PreemptMode=CANCEL GraceTime=180
PartitionName=urgent Nodes=n2 PriorityTier=10
"""


def missing() -> str:
    """Return the reason why this machine cannot be a cluster; empty if it can."""
    absent = [program for program in PROGRAMS if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "starting the daemons of SLURM needs root"
    return ""


class Cluster:
    """Starts in a folder of its own, with its config in /etc/slurm, which is put back in the end."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._kept = folder / "etc-slurm"
        self._ended = threading.Event()

    def start(self) -> None:
        for name in ("state", "spool-n1", "spool-n2"):
            (self.folder / name).mkdir()
        for number in range(2):
            os.mknod(self.folder / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        if ETC.exists():
            self._remove_left_behind()
            shutil.copytree(ETC, self._kept, symlinks=True)
        ETC.mkdir(exist_ok=True)
        (ETC / "slurm.conf").write_text(CONFIG.format(host=socket.gethostname().split(".")[0], folder=self.folder))
        (ETC / "gres.conf").write_text(f"Name=gpu Type=fake File={self.folder}/gpu[0-1]\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = {
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "munged.seed",
        }
        options = [f"--{option}={self.folder / name}" for option, name in files.items()]
        self.folder.chmod(0o755)
        subprocess.run(["/usr/sbin/munged", "--force", f"--key-file={key}", *options], check=True)
        self.start_controller("-c")
        for node in ("n1", "n2"):
            self.start_node(node)
        deadline = time.monotonic() + 120
        while set(slurm("sinfo", "--noheader", "--Node", "--format=%T").split()) != {"idle"}:
            assert time.monotonic() < deadline, slurm("sinfo")
            time.sleep(0.2)
        threading.Thread(target=self._hurry, daemon=True).start()

    @staticmethod
    def _remove_left_behind() -> None:
        """Remove the configuration of a test cluster that was killed: each Snakemake would ask it for ten seconds."""
        file = ETC / "slurm.conf"
        if file.exists() and file.read_text().startswith(CONFIG.partition("\n")[0]):
            file.unlink()
            (ETC / "gres.conf").unlink(missing_ok=True)

    @staticmethod
    def start_controller(*options: str) -> None:
        subprocess.run(["/usr/sbin/slurmctld", *options], check=True)

    def restart_controller(self, seconds: float) -> None:
        """Stop the controller, as its service does, and start it again after some time, with what it has saved."""
        self._end(self.folder / "slurmctld.pid")
        time.sleep(seconds)
        self.start_controller()

    @staticmethod
    def start_node(node: str) -> None:
        subprocess.run(["/usr/sbin/slurmd", "-N", node], check=True)

    def crash_node(self, node: str) -> None:
        """Kill all that runs on a node, and wait until the controller misses it."""
        jobs = slurm("squeue", "--noheader", "--states=RUNNING", f"--nodelist={node}", "--format=%i").split()
        _kill_all([f"slurmd -N {node}", *(f"slurmstepd: [{job}." for job in jobs)], [node])
        deadline = time.monotonic() + 120
        while not slurm("sinfo", "--noheader", "--Node", f"--nodes={node}", "--format=%T").startswith("down"):
            assert time.monotonic() < deadline, slurm("sinfo")
            time.sleep(0.2)

    @staticmethod
    def drain_node(node: str) -> None:
        """Let a node end its jobs and take no others, and wait until it has ended them."""
        slurm("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
        deadline = time.monotonic() + 120
        while slurm("sinfo", "--noheader", "--Node", f"--nodes={node}", "--format=%T").split()[:1] != ["drained"]:
            assert time.monotonic() < deadline, slurm("sinfo")
            time.sleep(0.2)

    @staticmethod
    def resume_node(node: str) -> None:
        slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")

    def _hurry(self) -> None:
        """Start requeued jobs at once: SLURM keeps each for two minutes."""
        while not self._ended.wait(0.5):
            for line in slurm("squeue", "--noheader", "--states=PENDING", "--format=%i %r").splitlines():
                job, reason = line.split(maxsplit=1)
                if reason == "BeginTime":
                    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")

    def stop(self) -> None:
        self._ended.set()
        slurm("scancel", "--user=root")
        deadline = time.monotonic() + 20
        while slurm("squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.2)
        for name in ("slurmd-n1", "slurmd-n2", "slurmctld", "munged"):
            self._end(self.folder / f"{name}.pid")
        _kill_all([], ["n1", "n2"])  # what has lost its parent, which proctrack/linuxproc does not follow
        shutil.rmtree(ETC)
        if self._kept.exists():
            shutil.copytree(self._kept, ETC, symlinks=True)

    @staticmethod
    def _end(file: Path) -> None:
        if not file.exists():
            return
        pid = int(file.read_text())
        with contextlib.suppress(ProcessLookupError):  # of a node that has crashed
            os.kill(pid, 15)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.1)


def _kill_all(daemons: list[str], nodes: list[str]) -> None:
    """Kill processes of these command lines, and those that SLURM has started on these nodes."""
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.info["cmdline"] or ())
            if any(daemon in line for daemon in daemons) or process.environ().get("SLURMD_NODENAME") in nodes:
                process.kill()


def slurm(*command: str) -> str:
    """Return the output of a command of SLURM."""
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def jobs_of(folder: Path, rule: str = "", states: str = "all") -> dict[str, str]:
    """Return the states of the jobs that were submitted from a folder, for a rule."""
    lines = slurm("squeue", "--noheader", f"--states={states}", "--format=%i|%T|%Z|%k").splitlines()
    rows = [line.split("|") for line in lines]
    return {row[0]: row[1] for row in rows if row[2] == str(folder) and row[3].startswith(f"rule_{rule}")}


def completed() -> dict[str, str]:
    """Return the states of the jobs that have ended, by the record of SLURM that `sacct` reads."""
    file = re.search(r"JobCompLoc=(.*)", (ETC / "slurm.conf").read_text())[1]
    lines = slurm("sacct", "--completion", f"--file={file}", "--noheader", "--parsable2", "--format=JobID,State")
    return dict(line.split("|") for line in lines.splitlines())


def described(job: str) -> dict[str, str]:
    """Return the properties of a job from `scontrol`."""
    return dict(word.split("=", 1) for word in slurm("scontrol", "show", "job", job).split() if "=" in word)

"""What a QEMU guest boots: a Debian kernel and an initial RAM disk with this machine's tools and our binaries.

The kernel's package is fetched with apt and only unpacked, never installed; of its modules those that the tests need are kept. The RAM disk holds
everything, because a file system that the host lends (9p) does not outlive a suspension of the guest. Both are kept in `.guest/`, which git ignores:
the kernel until Debian has a newer one, the RAM disk until a file of it changes. It starts no guest, and writes nothing outside of `.guest/`.

Run by itself it makes the kernel (`integration/setup` does). `missing` says why there is no guest on this machine.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from agent import ROOT, binaries

CACHE = ROOT / ".guest"
KERNEL = CACHE / "vmlinuz"
MODULES = CACHE / "modules"
REASON = CACHE / "reason"
WANTED = ["virtio_pci", "virtio_net", "virtio_console", "veth", "bridge", "macvlan", "8021q", "bonding", "vrf", "sch_netem"]
PROGRAMS = ["bash", "sh", "cat", "mkdir", "mount", "insmod", "sleep", "date", "base64", "timeout", "ip", "tc", "ping", "nsenter", "tcpdump"]

# Carries out what it is told, one command after the other: a line for bash in, exit status, length and output out. Nothing is started for that,
# because an emulated processor takes a tenth of a second for each program. The port is there when the driver has found it.
INIT = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin HOME=/ LC_ALL=C SWIFT_BACKTRACE=enable=no
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /dev/shm /run/netns /tmp
for module in /modules/*; do insmod "$module"; done
ip link set lo up
until [[ -c /dev/vport0p1 || -c /dev/vport1p1 || -c /dev/vport2p1 ]]; do sleep 0.1; done
exec 3<>/dev/vport?p1
while IFS= read -r -u 3 line; do
    output=$(eval "$line" 2>&1 3>&- </dev/null)
    printf '%d %d\\n%s' $? ${#output} "$output" >&3
done
"""


def missing():
    """Why no guest can be started here, or None."""
    if platform.machine() != "x86_64":
        return f"the guest is an x86-64 machine, this is {platform.machine()}"
    if REASON.exists():
        return REASON.read_text().strip()
    if not shutil.which("qemu-system-x86_64"):
        return "no qemu-system-x86_64: `integration/test --guest` installs it"
    if not KERNEL.exists():
        return f"no kernel for the guest in {CACHE}: `integration/test --guest` fetches it"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun, which joins the guest to the segment"
    return None


def make_kernel():
    """Fetches and unpacks Debian's newest kernel, unless it is there."""
    release = re.search(r"linux-image-(\d\S*-amd64)", _output("apt-cache", "depends", "linux-image-amd64"))
    if release is None:
        raise RuntimeError("apt knows no linux-image-amd64")
    release = release.group(1)
    package = f"linux-image-{release}"
    version = re.search(r"Version: (\S+)", _output("apt-cache", "show", "--no-all-versions", package)).group(1)
    stamp, wanted = CACHE / "version", f"{package} {version} {' '.join(WANTED)}"
    if KERNEL.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        directory = Path(directory)
        _output("apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package, cwd=directory)
        tree = directory / "tree"
        _output("dpkg-deb", "-x", next(directory.glob("*.deb")), tree)
        _output("depmod", "-b", tree, release)
        files = []
        for name in WANTED:
            for line in _output("modprobe", "-d", tree, "-S", release, "--show-depends", name).splitlines():
                file = line.split()[1] if line.startswith("insmod") else None
                if file and file not in files:
                    files.append(file)
        stamp.unlink(missing_ok=True)
        shutil.rmtree(MODULES, ignore_errors=True)
        MODULES.mkdir()
        for number, file in enumerate(files):
            shutil.copy(file, MODULES / f"{number:02}-{Path(file).name}")
        # As it is: one that was unpacked beforehand (it boots 4 s sooner, by PVH) does not come back from a suspension to RAM.
        shutil.copy(tree / "boot" / f"vmlinuz-{release}", KERNEL)
    stamp.write_text(wanted)


def ram_disk():
    """The path of the RAM disk with the binaries as they are now."""
    sources = [*sorted(MODULES.iterdir()), binaries() / "vipd", binaries() / "vipd-engine", Path(__file__),
               *(Path(shutil.which(name)).resolve() for name in PROGRAMS)]
    stamp, image = CACHE / "contents", CACHE / "initrd"
    contents = "".join(f"{file} {file.stat().st_mtime_ns} {file.stat().st_size}\n" for file in sources)
    if image.exists() and stamp.exists() and stamp.read_text() == contents:
        return image
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        root = Path(directory)
        for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "proc", "sys", "dev", "run", "tmp", "etc", "var/lib", "modules"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "init").write_text(INIT)
        (root / "init").chmod(0o755)
        (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/bash\n")
        (root / "etc/group").write_text("root:x:0:\n")
        for file in MODULES.iterdir():
            shutil.copy(file, root / "modules")
        for name in ("vipd", "vipd-engine"):
            _output("strip", "-o", root / "usr/bin" / name, binaries() / name)
            _libraries(binaries() / name, root)
        for name in PROGRAMS:
            program = Path(shutil.which(name)).resolve()
            shutil.copy(program, root / "usr/bin" / name)
            _libraries(program, root)
        names = "\n".join(str(path.relative_to(root)) for path in root.rglob("*"))
        with open(image, "wb") as file:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=file, cwd=root, check=True)
    stamp.write_text(contents)
    return image


def _libraries(program, root):
    """Copies what the program is linked with to the same place below `root`."""
    for path in re.findall(r"(?:=> |^\s+)(/\S+)", _output("ldd", program), re.MULTILINE):
        # /lib is /usr/lib.
        target = root / ("usr" + path if not path.startswith("/usr") else path[1:])
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(path).resolve(), target)


def _output(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, **options)
    if result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def main():
    """Makes the kernel, or says why there is none. What apt knows may be old: the second attempt is made with new lists."""
    CACHE.mkdir(exist_ok=True)
    REASON.unlink(missing_ok=True)
    for refreshed in (False, True):
        try:
            if refreshed:
                _output("apt-get", "update", "-qq")
            return make_kernel()
        except (OSError, RuntimeError, AttributeError, subprocess.TimeoutExpired) as error:
            reason = f"no kernel for the guest: {error}"
    if not (CACHE / "version").exists():
        REASON.write_text(reason)
        sys.exit(reason)


if __name__ == "__main__":
    main()

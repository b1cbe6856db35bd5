"""Attempts to reach for the host from inside of a sandbox: what the sandbox's and the judge's tests plant."""

from __future__ import annotations

__all__ = ["ATTEMPTS"]

# Each attempt is a function body; what it returns is what it got hold of. An exception means that it was stopped.
ATTEMPTS = {
    "etc passwd": "return open('/etc/passwd').read()",
    "home": "return open(HOME + '/.ssh/id_rsa').read()",
    "listing of the root": "import os; return os.listdir(HOME)",
    "io open": "import io; return io.open_code(HOME + '/.ssh/id_rsa').read()",
    "os open": "import os; return os.read(os.open(HOME + '/.ssh/id_rsa', os.O_RDONLY), 100)",
    "numpy reads bytes": "return bytes(np.fromfile(HOME + '/.ssh/id_rsa', dtype='u1'))",
    "pandas reads csv": "return pd.read_csv(HOME + '/.ssh/id_rsa').to_string()",
    "mmap of a numpy array": "return bytes(np.memmap(HOME + '/.ssh/id_rsa', mode='r'))",
    "environment": "import os; return os.environ['LEAN_LLM_TEST_SECRET']",
    "environment of the parent": "import os; return open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "own environment by proc": "return open('/proc/self/environ', 'rb').read()",
    "memory of the parent": "import os; return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "descriptor of the parent": "import os; return os.listdir(f'/proc/{os.getppid()}/fd')",
    "socket": "import socket; s = socket.create_connection(('127.0.0.1', PORT), 3); return s",
    "unix socket": "import socket; s = socket.socket(socket.AF_UNIX); s.connect(HOME + '/agent.sock'); return s",
    "socket pair": "import socket; return socket.socketpair()",
    "low level socket": "import _socket; return _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)",
    "url": "import urllib.request; return urllib.request.urlopen(f'http://127.0.0.1:{PORT}', timeout=3).read()",
    "name look-up": "import socket; return socket.getaddrinfo('localhost', 80)",
    "subprocess": "import subprocess; return subprocess.run(['/bin/echo', 'x'], capture_output=True).stdout",
    "os system": "import os; return 'ran' if os.system('true') == 0 else raise_(OSError())",
    "posix spawn": "import os; return os.posix_spawn('/bin/true', ['true'], {})",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "fork": "import os; return os.fork()",
    "multiprocessing": (
        "import multiprocessing as m; p = m.get_context('fork').Process(target=print)\np.start(); return p"
    ),
    "ctypes system": "import ctypes; return 'ran' if ctypes.CDLL(None).system(b'true') == 0 else raise_(OSError())",
    "ctypes open": (
        "import ctypes; c = ctypes.CDLL(None); f = c.open((HOME + '/.ssh/id_rsa').encode(), 0)\n"
        "if f < 0: raise OSError()\nreturn f"
    ),
    "ptrace of the parent": (
        "import ctypes, os; c = ctypes.CDLL(None)\n"
        "if c.ptrace(16, os.getppid(), 0, 0) != 0: raise OSError()\nreturn 'attached'"
    ),
    "kill the parent": "import os; os.kill(os.getppid(), 0); return 'reached'",
    "signal everybody": "import os; os.kill(-1, 0); return 'reached'",
    "write outside": "open(OUTSIDE + '/planted', 'w').write('x'); return 'written'",
    "write into the project": "open(PROJECT + '/planted.py', 'w').write('x'); return 'written'",
    "write into the data": "open(DATA + '/planted', 'w').write('x'); return 'written'",
    "truncate by path": "import os; os.truncate(OUTSIDE + '/victim', 0); return 'truncated'",
    "open truncates": "import os; return os.open(OUTSIDE + '/victim', os.O_RDONLY | os.O_TRUNC)",
    "remove": "import os; os.remove(OUTSIDE + '/victim'); return 'removed'",
    "rename": "import os; os.rename(OUTSIDE + '/victim', OUTSIDE + '/gone'); return 'renamed'",
    "permissions": "import os; os.chmod(OUTSIDE + '/victim', 0o777); return 'changed'",
    "owner": "import os; os.chown(OUTSIDE + '/victim', 0, 0); return 'changed'",
    "times": "import os; os.utime(OUTSIDE + '/victim', (0, 0)); return 'changed'",
    "symlink in the project": "return open(PROJECT + '/innocent.txt').read()",
    "symlink made by it": (
        "import os; os.symlink(HOME + '/.ssh/id_rsa', os.environ['TMPDIR'] + '/x')\n"
        "return open(os.environ['TMPDIR'] + '/x').read()"
    ),
    "hard link made by it": "import os; os.link(HOME + '/.ssh/id_rsa', os.environ['TMPDIR'] + '/x'); return 'linked'",
    "import of a foreign file": (
        "import importlib.util as u; s = u.spec_from_file_location('stolen', OUTSIDE + '/stolen.py')\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m); return m.SECRET"
    ),
    "import by a longer path": "import sys; sys.path.insert(0, OUTSIDE); import stolen; return stolen.SECRET",
    "loader by name": (
        "from importlib.machinery import SourceFileLoader as L\nreturn L('s', OUTSIDE + '/stolen.py').load_module()"
    ),
    "mount": (
        "import ctypes\nif ctypes.CDLL(None).mount(b'x', b'/', b'tmpfs', 0, None) != 0: raise OSError()\n"
        "return 'mounted'"
    ),
    "new namespace": "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) != 0: raise OSError()\nreturn 'left'",
    "io uring": (
        "import ctypes\nc = ctypes.CDLL(None, use_errno=True); c.syscall(425, 4, ctypes.create_string_buffer(200))\n"
        "raise OSError() if ctypes.get_errno() == 1 else RuntimeError('not refused')"
    ),
    "limits raised": "import resource as r; r.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY,) * 2); return 'raised'",
    "limits of the parent": "import os, resource as r; r.prlimit(os.getppid(), r.RLIMIT_NOFILE, (1, 1)); return 'set'",
    "terminal input": "import fcntl; fcntl.ioctl(0, 0x5412, b'x'); return 'typed'",
    "shared memory": "from multiprocessing.shared_memory import SharedMemory as S; return S(create=True, size=10)",
    "object store path": "return open(HOME + '/.ssh/../.ssh/id_rsa').read()",
    "object subclasses": (
        "w = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0]\n"
        "return w.__init__.__globals__['popen']('echo x').read()"
    ),
}

# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""make bundle: one zip per platform with all that a shop installs from

A shop has no package registry: the zip holds every wheel, for the versions of
Python that it may have, and what installs them.
"""
import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from email import message_from_bytes
from pathlib import Path

from packaging import tags
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent
PACKAGE = 'trytond_offline_sales'
# The tags of wheels that its computers take, the newest first
PLATFORMS = {
    'linux': ['manylinux_2_28_x86_64', 'manylinux2014_x86_64'],
    'windows': ['win_amd64'],
    }
# What tells a requirement that is for another system
MARKERS = {
    'linux': {
        'os_name': 'posix', 'sys_platform': 'linux',
        'platform_system': 'Linux', 'platform_machine': 'x86_64'},
    'windows': {
        'os_name': 'nt', 'sys_platform': 'win32',
        'platform_system': 'Windows', 'platform_machine': 'AMD64'},
    }
INSTALLERS = {
    'linux': 'instalar.sh',
    'windows': 'instalar.cmd',
    }
PYTHONS = ['3.11', '3.12', '3.13', '3.14']


def pip(*arguments):
    subprocess.run(
        [sys.executable, '-m', 'pip', '--disable-pip-version-check', '-q',
            *map(str, arguments)], check=True)


def build_wheel(directory):
    """Build the wheel of what is here, and return its file

    From the sdist, in a folder of its own: what a former build has left in
    build/ would come along.
    """
    subprocess.run(
        [sys.executable, '-m', 'build', '--outdir', directory, ROOT],
        check=True, stdout=subprocess.DEVNULL)
    wheel, = directory.glob('*.whl')
    return wheel


def download(wheel, platform, python, directory):
    """Put the wheel and all that it needs into the directory

    pip takes this computer for the shop's where it judges what is needed on
    one system only: what it left out is asked for by name.
    """
    wanted = [f'{wheel}[branch]']
    while wanted:
        before = set(directory.iterdir())
        pip('download', '--only-binary=:all:', '-d', directory,
            '--implementation', 'cp', '--python-version', python,
            *(f'--platform={tag}' for tag in PLATFORMS[platform]), *wanted)
        wanted = missing(directory, platform, python)
        if wanted and set(directory.iterdir()) == before:
            raise SystemExit(
                f"For {platform}, Python {python}, are missing: "
                + ', '.join(wanted))


def missing(directory, platform, python):
    """Return the requirements that no wheel of the directory meets, where the
    package is installed with its extra branch on that platform and Python"""
    environment = {
        **default_environment(), **MARKERS[platform],
        'python_version': python, 'python_full_version': f'{python}.0',
        'implementation_name': 'cpython',
        'platform_python_implementation': 'CPython'}
    supported = _tags(platform, python)
    wheels = {}
    for file in directory.glob('*.whl'):
        name, version, _, own = parse_wheel_filename(file.name)
        if own & supported:
            wheels.setdefault(name, {})[version] = file
    lacking, seen = set(), set()
    waiting = [Requirement(f'{PACKAGE}[branch]')]
    while waiting:
        requirement = waiting.pop()
        found = [
            file for version, file in wheels.get(
                canonicalize_name(requirement.name), {}).items()
            if requirement.specifier.contains(version, prereleases=True)]
        if not found:
            lacking.add(str(requirement))
        for file in found:
            for extra in ['', *requirement.extras]:
                if (file, extra) not in seen:
                    seen.add((file, extra))
                    waiting += _requirements(
                        file, {**environment, 'extra': extra})
    return sorted(lacking)


def _tags(platform, python):
    "Return the tags of wheels that the Python of that platform takes"
    version = tuple(map(int, python.split('.')))
    if platform == 'linux':
        platforms = [
            *(f'manylinux_2_{minor}_x86_64' for minor in range(28, 4, -1)),
            'manylinux2014_x86_64', 'manylinux2010_x86_64',
            'manylinux1_x86_64', 'linux_x86_64']
    else:
        platforms = PLATFORMS[platform]
    return {
        *tags.cpython_tags(version, platforms=platforms),
        *tags.compatible_tags(
            version, f'cp{version[0]}{version[1]}', platforms)}


def _requirements(file, environment):
    "Yield what a wheel needs there, without the markers"
    with zipfile.ZipFile(file) as wheel:
        name, = (
            name for name in wheel.namelist()
            if name.endswith('.dist-info/METADATA') and name.count('/') == 1)
        metadata = message_from_bytes(wheel.read(name))
    for line in metadata.get_all('Requires-Dist', []):
        requirement = Requirement(line)
        if not requirement.marker or requirement.marker.evaluate(environment):
            requirement.marker = None
            yield requirement


def pack(directory, platform, file):
    wheels = sorted(directory.glob('*.whl'))
    sums = ''.join(
        f'{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n'
        for wheel in wheels)
    (directory / 'SHA256SUMS').write_text(sums)
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as bundle:
        for wheel in [*wheels, directory / 'SHA256SUMS']:
            bundle.write(wheel, f'{file.stem}/ruedas/{wheel.name}')
        for name in [INSTALLERS[platform], 'LEEME.txt']:
            info = zipfile.ZipInfo.from_file(
                HERE / name, f'{file.stem}/{name}')
            info.external_attr = (
                0o755 if name.endswith('.sh') else 0o644) << 16
            text = (HERE / name).read_text(encoding='utf-8')
            if platform == 'windows':
                text = text.replace('\n', '\r\n')
            bundle.writestr(info, text)


def make(platforms, pythons, output):
    "Return the files of the bundles"
    output.mkdir(parents=True, exist_ok=True)
    files = []
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        wheel = build_wheel(temporary)
        version = wheel.name.split('-')[1]
        for platform in platforms:
            directory = temporary / platform
            directory.mkdir()
            for python in pythons:
                download(wheel, platform, python, directory)
            file = output / f'ventas-sin-internet-{version}-{platform}.zip'
            pack(directory, platform, file)
            files.append(file)
    return files


def main():
    parser = argparse.ArgumentParser(prog='make bundle', description=__doc__)
    parser.add_argument(
        '--platform', nargs='+', choices=PLATFORMS, default=list(PLATFORMS))
    parser.add_argument('--python', nargs='+', default=PYTHONS)
    parser.add_argument('--output', type=Path, default=ROOT / 'dist')
    options = parser.parse_args()
    for file in make(options.platform, options.python, options.output):
        print(file)


if __name__ == '__main__':
    main()

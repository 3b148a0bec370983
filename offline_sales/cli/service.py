# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""offline-sales branch service: have the branch run with the computer

A unit of systemd; on Windows a task that starts with the computer.
"""
import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from . import errors
from .place import Place, add_directory
from .text import _

__all__ = ['add_arguments', 'install_unit', 'task', 'unit']

NAME = 'offline-sales-branch'

UNIT = """\
[Unit]
Description={description}
After=network.target postgresql.service
StartLimitIntervalSec=0

[Service]
Type=simple
{user}ExecStart={command}
WorkingDirectory={directory}
Restart=always
RestartSec=5
# The supervisor ends its processes in order
KillMode=mixed
TimeoutStopSec=60
UMask=0077
{protection}
[Install]
WantedBy={target}
"""

# Not for the unit of a user, to whom the kernel may refuse it
PROTECTION = """\
NoNewPrivileges=true
PrivateTmp=true
ProtectSystem=full
"""

TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2"
    xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>{description}</Description>
  </RegistrationInfo>
  <Triggers>
    <BootTrigger><Enabled>true</Enabled></BootTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>S-1-5-19</UserId>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{directory}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def add_arguments(parser):
    commands = parser.add_subparsers(
        dest='service_command', required=True, metavar=_("COMMAND"))
    install = commands.add_parser(
        'install', help=_("write the service and start it"))
    add_directory(install)
    install.add_argument(
        '--user', metavar=_("NAME"),
        help=_("who runs it, by default the owner of the directory"))
    install.add_argument(
        '--output', metavar=_("DIRECTORY"), type=Path,
        help=_("write the file there and start nothing"))
    install.add_argument(
        '--windows', action='store_true', default=sys.platform == 'win32',
        help=_("a task of Windows instead of a unit of systemd"))
    install.set_defaults(run=run)
    remove = commands.add_parser(
        'remove', help=_("stop the service and remove it"))
    add_directory(remove)
    remove.set_defaults(run=run_remove, windows=sys.platform == 'win32')


def run(options):
    place = Place.of(options, root=True)
    place.check_installed()
    if options.windows:
        install = _install_task
    else:
        install = install_unit
    install(place, options)


def _quote(argument):
    "Return an argument of ExecStart, see systemd.service(5)"
    argument = argument.replace('\\', '\\\\').replace('"', '\\"')
    argument = argument.replace('%', '%%').replace('$', '$$')
    return f'"{argument}"'


def unit(place, user=None, system=True):
    "Return the text of the unit"
    return UNIT.format(
        description="Ventas sin Internet",
        user=f'User={user}\n' if system and user else '',
        command=' '.join(map(_quote, [
                    sys.executable, '-m', __package__,
                    *place.arguments('run')])),
        directory=str(place.directory).replace('%', '%%'),
        protection=PROTECTION if system else '',
        target='multi-user.target' if system else 'default.target')


def task(place):
    "Return the text of the task of Windows"
    return TASK.format(
        description="Ventas sin Internet",
        command=escape(sys.executable),
        arguments=escape(subprocess.list2cmdline(
                ['-m', __package__, *place.arguments('run')])),
        directory=escape(str(place.directory)))


def _owner(place):
    return place.directory.owner() if os.name == 'posix' else None


def install_unit(place, options):
    system = os.geteuid() == 0
    text = unit(place, options.user or _owner(place), system)
    directory = options.output or _unit_directory(system)
    file = directory / f'{NAME}.service'
    directory.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding='utf-8')
    print(file)
    systemctl = ['systemctl'] if system else ['systemctl', '--user']
    commands = [
        [*systemctl, 'daemon-reload'],
        [*systemctl, 'enable', '--now', NAME]]
    if not system:
        # Else it ends as the user logs out
        commands.append(['loginctl', 'enable-linger', getpass.getuser()])
    try:
        _execute(commands, options.output)
    except errors.Stop as stop:
        if system:
            raise
        # Who became this user by su or sudo has no services of its own
        file.unlink()
        raise errors.Stop(f"{stop}\n" + _(
                "Have the administrator type: sudo {command}").format(
                command=subprocess.list2cmdline([
                        sys.executable, '-m', __package__,
                        *place.arguments('service', 'install')])),
            errors.COMPUTER) from None


def _unit_directory(system):
    if system:
        return Path('/etc/systemd/system')
    return Path(os.environ.get('XDG_CONFIG_HOME') or Path.home() / '.config'
        ) / 'systemd' / 'user'


def _install_task(place, options):
    directory = options.output or place.directory
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f'{NAME}.xml'
    file.write_text(task(place), encoding='utf-16')
    print(file)
    _execute([
            # The account of the service may read its files
            ['icacls', str(place.directory), '/grant',
                '*S-1-5-19:(OI)(CI)M', '/T', '/Q'],
            ['schtasks', '/Create', '/TN', NAME, '/XML', str(file), '/F'],
            ['schtasks', '/Run', '/TN', NAME],
            ], options.output)


def run_remove(options):
    if options.windows:
        _execute([
                ['schtasks', '/End', '/TN', NAME],
                ['schtasks', '/Delete', '/TN', NAME, '/F']])
        return
    system = os.geteuid() == 0
    systemctl = ['systemctl'] if system else ['systemctl', '--user']
    _execute([[*systemctl, 'disable', '--now', NAME]])
    (_unit_directory(system) / f'{NAME}.service').unlink(missing_ok=True)
    _execute([[*systemctl, 'daemon-reload']])


def _execute(commands, shown=False):
    "Execute the commands, or say that they are to be typed"
    if shown or not shutil.which(commands[0][0]):
        print(_("Now type:"))
        for command in commands:
            print(f"  {subprocess.list2cmdline(command)}")
        return
    for command in commands:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True)
        if done.returncode:
            raise errors.Stop(_("{command} failed: {reason}").format(
                    command=subprocess.list2cmdline(command),
                    reason=done.stdout.strip()[-500:]), errors.COMPUTER)

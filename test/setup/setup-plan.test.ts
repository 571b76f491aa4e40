import { describe, expect, it } from 'vitest';
import {
  type Machine,
  parseOsRelease,
  parseSources,
  planInstall,
  SOURCE_FILE,
  shellText,
} from '../../scripts/setup-plan.mjs';

const bookworm = parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n');
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const deb822 = {
  path: '/etc/apt/sources.list.d/debian.sources',
  text: [
    'Types: deb',
    '# a comment inside the stanza',
    'URIs: http://mirror.example/debian',
    'Suites: bookworm bookworm-updates',
    'Components: main',
    `Signed-By: ${keyring}`,
    '',
    'Types: deb',
    'URIs: http://mirror.example/debian-security',
    'Suites: bookworm-security',
    'Components: main',
  ].join('\n'),
};
const oneLine = (text: string) => ({ path: '/etc/apt/sources.list', text });

function commands(machine: Partial<Machine>) {
  const plan = planInstall({
    platform: 'linux',
    osRelease: bookworm,
    sources: [deb822],
    privilege: 'root',
    ...machine,
  });
  return { ...plan, text: plan.steps.map(shellText) };
}

describe('parseOsRelease', () => {
  it('reads quoted and bare values', () => {
    expect(parseOsRelease('ID=ubuntu\nNAME="Ubuntu"\nVERSION_CODENAME=\'noble\'\n# no\n')).toEqual({
      ID: 'ubuntu',
      NAME: 'Ubuntu',
      VERSION_CODENAME: 'noble',
    });
  });
});

describe('parseSources', () => {
  it('reads deb822 stanzas with comments', () => {
    expect(parseSources([deb822])[0]).toEqual({
      uris: ['http://mirror.example/debian'],
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main'],
      signedBy: keyring,
    });
  });

  it('keeps an embedded key as it stands', () => {
    const text = 'Types: deb\nURIs: http://a/\nSuites: s\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n';
    expect(parseSources([{ path: 'x.sources', text }])[0]?.signedBy).toBe('\n -----BEGIN\n .\n abc');
  });

  it('leaves out disabled stanzas and source packages', () => {
    const text = 'Types: deb\nEnabled: no\nURIs: http://a/\nSuites: s\n\nTypes: deb-src\nURIs: http://a/\nSuites: s\n';
    expect(parseSources([{ path: 'x.sources', text }])).toEqual([]);
  });

  it('reads one-line entries with and without options', () => {
    const text =
      '# deb http://old/ x main\ndeb-src http://a/ s main\n' +
      'deb [arch=amd64 signed-by=/k.gpg] http://a/ bookworm main contrib # note\ndeb http://b/ bookworm-backports main\n';
    expect(parseSources([oneLine(text)])).toEqual([
      { uris: ['http://a/'], suites: ['bookworm'], components: ['main', 'contrib'], signedBy: '/k.gpg' },
      { uris: ['http://b/'], suites: ['bookworm-backports'], components: ['main'], signedBy: undefined },
    ]);
  });
});

describe('planInstall', () => {
  it("adds backports from the machine's own mirror and key on Debian 12", () => {
    const { text, refusal, steps } = commands({});
    expect(refusal).toBeUndefined();
    expect(text).toEqual([
      `tee ${SOURCE_FILE} <<'EOF'\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm-backports\n` +
        `Components: main\nSigned-By: ${keyring}\nEOF`,
      'env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 update',
      'env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends ' +
        '-t bookworm-backports mesa-vulkan-drivers libvulkan1',
    ]);
    expect(steps[0]?.undo).toEqual(['rm', '-f', SOURCE_FILE]);
  });

  it('takes the mirror and key of a one-line source', () => {
    const { text } = commands({ sources: [oneLine('deb [signed-by=/k.gpg] http://b/debian bookworm main\n')] });
    expect(text[0]).toContain('URIs: http://b/debian\n');
    expect(text[0]).toContain('Signed-By: /k.gpg\n');
  });

  it('names no key when the source it copies names none', () => {
    const { text } = commands({ sources: [oneLine('deb http://b/debian bookworm main\n')] });
    expect(text[0]).not.toContain('Signed-By');
  });

  it.each([['deb cdrom:[Debian]/ bookworm main\n'], ['']])('falls back to the standard archive given %j', (text) => {
    const first = commands({ sources: [oneLine(text)] }).text[0];
    expect(first).toContain('URIs: https://deb.debian.org/debian\n');
    expect(first).toContain(`Signed-By: ${keyring}\n`);
  });

  it('adds no source when one offers backports', () => {
    const { text } = commands({ sources: [deb822, oneLine('deb http://b/debian bookworm-backports main\n')] });
    expect(text).toHaveLength(2);
    expect(text[1]).toContain('-t bookworm-backports');
  });

  it.each([
    ['ID=debian\nVERSION_ID="13"\n'],
    ['ID=debian\nVERSION_CODENAME=sid\n'],
    ['ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n'],
  ])('installs from the main archive on %j', (text) => {
    const plan = commands({ osRelease: parseOsRelease(text) });
    expect(plan.refusal).toBeUndefined();
    expect(plan.text).toHaveLength(2);
    expect(plan.text[1]).not.toContain(' -t ');
  });

  it('goes through sudo, never asking for a password', () => {
    const { text, steps } = commands({ privilege: 'sudo' });
    expect(text.every((line) => line.startsWith('sudo -n '))).toBe(true);
    expect(steps[0]?.undo?.slice(0, 2)).toEqual(['sudo', '-n']);
  });

  it('refuses without privilege but tells the commands', () => {
    const { text, refusal } = commands({ privilege: 'none' });
    expect(refusal).toBe('neither root nor passwordless sudo');
    expect(text.every((line) => line.startsWith('sudo '))).toBe(true);
  });

  it.each([
    ['ID=fedora\nPRETTY_NAME="Fedora Linux 41"\n', ['dnf install -y mesa-vulkan-drivers vulkan-loader']],
    ['ID=rocky\nID_LIKE="rhel centos fedora"\n', ['dnf install -y mesa-vulkan-drivers vulkan-loader']],
    ['ID=slackware\n', []],
  ])('only advises on %j', (text, advice) => {
    const plan = commands({ osRelease: parseOsRelease(text) });
    expect(plan.steps).toEqual([]);
    expect(plan.advice).toEqual(advice);
    expect(plan.refusal).toContain('Debian and Ubuntu');
  });

  it.each(['darwin', 'win32'])('installs nothing on %s', (platform) => {
    expect(commands({ platform })).toMatchObject({ steps: [], refusal: expect.stringContaining(platform) });
  });
});

describe('shellText', () => {
  it('quotes what a shell would split', () => {
    expect(shellText({ argv: ['echo', "it's", 'a b'] })).toBe(`echo 'it'\\''s' 'a b'`);
  });
});

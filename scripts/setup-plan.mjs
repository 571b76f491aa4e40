export const PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1'];
export const SOURCE_FILE = '/etc/apt/sources.list.d/tapir-backports.sources';

const DEFAULT_ENTRY = {
  uris: ['https://deb.debian.org/debian'],
  suites: ['bookworm'],
  components: ['main'],
  signedBy: '/usr/share/keyrings/debian-archive-keyring.gpg',
};

const OTHER_SYSTEMS = [
  ['fedora', 'dnf install -y mesa-vulkan-drivers vulkan-loader'],
  ['rhel', 'dnf install -y mesa-vulkan-drivers vulkan-loader'],
  ['arch', 'pacman -S --needed vulkan-swrast vulkan-icd-loader'],
  ['suse', 'zypper install -y libvulkan1 libvulkan_lvp'],
];

const words = (text = '') => text.split(/\s+/).filter(Boolean);

export function parseOsRelease(text) {
  const fields = text.matchAll(/^([A-Z0-9_]+)=(?:"(.*)"|'(.*)'|(.*))$/gm);
  return Object.fromEntries(Array.from(fields, ([, key, double, single, bare]) => [key, double ?? single ?? bare]));
}

function parseStanza(stanza) {
  const fields = {};
  let key;
  for (const line of stanza.split('\n')) {
    if (line.startsWith('#')) continue;
    const field = line.match(/^([\w-]+):\s*(.*)$/);
    if (field) {
      key = field[1].toLowerCase();
      fields[key] = field[2].trimEnd();
    } else if (key && /^\s/.test(line)) {
      fields[key] += `\n${line.trimEnd()}`;
    }
  }
  return fields;
}

function parseDeb822(text) {
  return text
    .replaceAll('\r', '')
    .split(/\n[ \t]*\n/)
    .map(parseStanza)
    .filter((fields) => words(fields.types).includes('deb') && !/^(no|false|0|off)$/i.test(fields.enabled ?? ''))
    .map((fields) => ({
      uris: words(fields.uris),
      suites: words(fields.suites),
      components: words(fields.components),
      signedBy: fields['signed-by'],
    }));
}

function parseOneLine(text) {
  const entries = text.matchAll(/^[ \t]*deb[ \t]+(?:\[([^\]]*)\][ \t]*)?(\S+)[ \t]+([^#\n]+)/gm);
  return Array.from(entries, ([, options, uri, rest]) => {
    const [suite, ...components] = words(rest);
    const signedBy = options?.match(/(?:^|\s)signed-by=(\S+)/)?.[1];
    return { uris: [uri], suites: [suite], components, signedBy };
  });
}

/** Reads apt source files, `{ path, text }`, into the binary archives they offer. */
export function parseSources(files) {
  return files.flatMap(({ path, text }) => (path.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)));
}

const offers = (entry, suite) => entry.suites.includes(suite) && entry.components.includes('main');

function backportsSource(entries) {
  const { uris, signedBy } =
    entries.find((entry) => offers(entry, 'bookworm') && !entry.uris.some((uri) => uri.startsWith('cdrom:'))) ??
    DEFAULT_ENTRY;
  const lines = ['Types: deb', `URIs: ${uris.join(' ')}`, 'Suites: bookworm-backports', 'Components: main'];
  if (signedBy) lines.push(`Signed-By: ${signedBy}`);
  return `${lines.join('\n')}\n`;
}

export function aptGet(...args) {
  return ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args];
}

function aptSteps(osRelease, sources) {
  const bookworm = osRelease.ID === 'debian' && osRelease.VERSION_ID === '12';
  const target = bookworm ? ['-t', 'bookworm-backports'] : [];
  const steps = [
    { argv: aptGet('update') },
    { argv: aptGet('install', '-y', '--no-install-recommends', ...target, ...PACKAGES) },
  ];
  const entries = parseSources(sources);
  if (bookworm && !entries.some((entry) => offers(entry, 'bookworm-backports')))
    steps.unshift({ argv: ['tee', SOURCE_FILE], input: backportsSource(entries), undo: ['rm', '-f', SOURCE_FILE] });
  return steps;
}

/**
 * What gives this machine a Vulkan driver: `steps` to run through apt, or `advice` where setup
 * installs nothing. `refusal` says why the steps may not be run from here.
 */
export function planInstall({ platform, osRelease, sources, privilege }) {
  if (platform !== 'linux')
    return { steps: [], advice: [], refusal: `setup installs drivers on Linux, not ${platform}` };
  const family = [osRelease.ID, ...words(osRelease.ID_LIKE)];
  if (osRelease.ID !== 'debian' && !family.includes('ubuntu')) {
    const command = OTHER_SYSTEMS.find(([id]) => family.some((name) => name?.includes(id)))?.[1];
    const system = osRelease.PRETTY_NAME ?? osRelease.ID ?? 'this Linux';
    return {
      steps: [],
      advice: command ? [command] : [],
      refusal: `setup installs on Debian and Ubuntu, not ${system}`,
    };
  }
  const prefix = privilege === 'root' ? [] : privilege === 'sudo' ? ['sudo', '-n'] : ['sudo'];
  const steps = aptSteps(osRelease, sources).map((step) => ({
    ...step,
    argv: [...prefix, ...step.argv],
    ...(step.undo && { undo: [...prefix, ...step.undo] }),
  }));
  return privilege === 'none'
    ? { steps, advice: [], refusal: 'neither root nor passwordless sudo' }
    : { steps, advice: [] };
}

const quote = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** The step as a line (or here-document) to paste into a shell. */
export function shellText({ argv, input }) {
  const line = argv.map(quote).join(' ');
  return input === undefined ? line : `${line} <<'EOF'\n${input}EOF`;
}

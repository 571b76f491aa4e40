#!/usr/bin/env bash
# The measuring campaign on a GPU machine, network or not: see bench/campaign.mjs --help. What scripts/pack-gpu.sh packed is
# unpacked first where Node, the modules or the Vulkan loader are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -d .gpu ]; then
  unxz_() {
    if command -v xz > /dev/null; then xz -dc "$1"; else python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer)' "$1"; fi
  }
  if ! command -v node > /dev/null; then
    [ -x .gpu/bin/node ] || { mkdir -p .gpu/bin && unxz_ .gpu/node.xz > .gpu/bin/node && chmod +x .gpu/bin/node; }
    export PATH="$PWD/.gpu/bin:$PATH"
  fi
  if [ ! -d node_modules/esbuild ]; then
    [ dist/main.js -nt .gpu/tapir.tar.xz ] || unxz_ .gpu/tapir.tar.xz | tar -xmf -
    # What was packed was built from these sources; nothing can build here.
    touch dist/main.js
  fi
  if ! ldconfig -p | grep -q libvulkan.so.1; then
    for package in .gpu/deb/*.deb; do [ -e "$package" ] && dpkg -x "$package" .gpu/root; done
    library=$(find .gpu/root -name libvulkan.so.1 2> /dev/null | head -1)
    [ -z "$library" ] || export LD_LIBRARY_PATH="$PWD/$(dirname "$library")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  fi
fi
# Drivers that containers mount where the loader does not look.
for icd in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json; do
  [ -f "$icd" ] && [ -z "${VK_DRIVER_FILES:-}" ] && export VK_DRIVER_FILES=$icd
done
exec node bench/campaign.mjs "$@"

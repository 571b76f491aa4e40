#!/usr/bin/env bash
# Packs what a GPU machine with neither network nor Node needs to run Tapir: folder .gpu in this checkout, some 40 MB.
# Run here after `npm ci` and `npm run build`; copy the checkout, .gpu included; there, bench/campaign.sh finds it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -d dist ] || { echo 'pack-gpu: build first: npm run build' >&2; exit 2; }
pack=.gpu
rm -rf "$pack" && mkdir -p "$pack/deb"

xz -4 -T0 -c "$(node -p process.execPath)" > "$pack/node.xz"
modules=$(realpath node_modules)
tar -cJf "$pack/tapir.tar.xz" --exclude='webgpu/dist/darwin*' --exclude='webgpu/dist/win32*' --exclude='webgpu/dist/linux-arm64' \
  dist -C "$(dirname "$modules")" node_modules/webgpu

# The Vulkan loader for x86-64, where apt is there to fetch it; most machines with a GPU driver have one.
if command -v apt-get > /dev/null; then
  lists=$(mktemp -d); trap 'rm -rf "$lists"' EXIT; mkdir -p "$lists/partial"
  for_amd64=(-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o "Dir::State::Lists=$lists")
  if apt-get "${for_amd64[@]}" update > /dev/null 2>&1; then
    (cd "$pack/deb" && apt-get "${for_amd64[@]}" download libvulkan1 > /dev/null 2>&1) || true
  fi
  [ -n "$(ls "$pack/deb")" ] || echo 'pack-gpu: no Vulkan loader was fetched; the other machine needs its own' >&2
fi
du -sh "$pack"

/** A field over a rectangle as a lit surface, drawn headless by a WebGPU render pass. */
import { mat4, vec3 } from 'wgpu-matrix';
import type { Device } from '../../engine/index.ts';
import { type ColourMap, imageOf, palette } from './raster.ts';

export interface Surface {
  /** nx * ny values, y varying fastest; what is not finite lies at the bottom. */
  readonly values: ArrayLike<number>;
  readonly nx: number;
  readonly ny: number;
  readonly range: readonly [low: number, high: number];
  readonly map: ColourMap;
}

export type Size = readonly [width: number, height: number];

const SAMPLES = 4;
const FORMAT = 'rgba8unorm';
/** Height of the largest value over half the width of the rectangle. */
const HEIGHT = 0.9;
/** Bytes of a row in a buffer that a texture is copied to. */
const ROW_ALIGNMENT = 256;

const SHADER = /* wgsl */ `
struct Scene { camera: mat4x4f, light: vec4f, low: f32, high: f32, nx: f32, ny: f32 }
@group(0) @binding(0) var<uniform> scene: Scene;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> colours: array<vec4f>;

struct Point { @builtin(position) position: vec4f, @location(0) normal: vec3f, @location(1) level: f32, @location(2) cell: vec2f }

fn level(i: f32, j: f32) -> f32 {
  let at = u32(clamp(i, 0, scene.nx - 1) * scene.ny + clamp(j, 0, scene.ny - 1));
  return clamp((values[at] - scene.low) / max(scene.high - scene.low, 1e-30), 0, 1);
}

fn place(i: f32, j: f32) -> vec3f {
  let p = vec2f(clamp(i, 0, scene.nx - 1), clamp(j, 0, scene.ny - 1)) / vec2f(scene.nx - 1, scene.ny - 1);
  return vec3f(2 * p - 1, ${HEIGHT} * level(i, j));
}

@vertex fn raise(@builtin(vertex_index) index: u32) -> Point {
  const corners = array(vec2f(0, 0), vec2f(1, 0), vec2f(0, 1), vec2f(0, 1), vec2f(1, 0), vec2f(1, 1));
  let cell = index / 6;
  let across = u32(scene.ny) - 1;
  let at = vec2f(f32(cell / across), f32(cell % across)) + corners[index % 6];
  let along = place(at.x + 1, at.y) - place(at.x - 1, at.y);
  let back = place(at.x, at.y + 1) - place(at.x, at.y - 1);
  let normal = normalize(cross(along, back));
  return Point(scene.camera * vec4f(place(at.x, at.y), 1), normal, level(at.x, at.y), at / vec2f(scene.nx - 1, scene.ny - 1));
}

@fragment fn shade(point: Point) -> @location(0) vec4f {
  let lit = 0.45 + 0.55 * abs(dot(normalize(point.normal), scene.light.xyz));
  let tenth = 10 * point.cell;
  let line = abs(fract(tenth + 0.5) - 0.5) / max(fwidth(tenth), vec2f(1e-6));
  let ink = 1 - 0.45 * (1 - smoothstep(0, 1.2, min(line.x, line.y)));
  return vec4f(colours[u32(point.level * 254)].rgb * lit * ink, 1);
}
`;

/** From the rectangle [-1,1]^2 and heights to the image, x to the right and y to the back. */
export function cameraOf([width, height]: Size): Float32Array {
  const view = mat4.lookAt([-1.7, -3.1, 2.9], [0, 0, 0.25], [0, 0, 1]);
  return mat4.multiply(mat4.perspective(Math.PI / 5.4, width / height, 0.5, 20), view) as Float32Array;
}

/** Where a point of the rectangle appears, in pixels from the upper left corner. */
export function projected(point: readonly [number, number, number], size: Size): [number, number] {
  const [x, y] = vec3.transformMat4([...point], cameraOf(size)) as unknown as [number, number];
  return [((x + 1) / 2) * size[0], ((1 - y) / 2) * size[1]];
}

/** A `data:` address of the surface on a white ground. Throws GpuError. */
export async function surfaceImage(device: Device, surface: Surface, size: Size): Promise<string> {
  return device.scoped('draw a surface', () => render(device.gpu, surface, size));
}

async function render(gpu: GPUDevice, surface: Surface, size: Size): Promise<string> {
  const [width, height] = size;
  const { nx, ny } = surface;
  const pipeline = await pipelineOf(gpu);
  const buffers = buffersOf(gpu, surface, size);
  const texture = (format: GPUTextureFormat, sampleCount: number, usage: number) =>
    gpu.createTexture({ size: [width, height], format, sampleCount, usage });
  const fine = texture(FORMAT, SAMPLES, GPUTextureUsage.RENDER_ATTACHMENT);
  const image = texture(FORMAT, 1, GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC);
  const depth = texture('depth24plus', SAMPLES, GPUTextureUsage.RENDER_ATTACHMENT);
  const bytesPerRow = Math.ceil((4 * width) / ROW_ALIGNMENT) * ROW_ALIGNMENT;
  const read = gpu.createBuffer({
    size: bytesPerRow * height,
    usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
  });
  try {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginRenderPass({
      colorAttachments: [
        {
          ...{ view: fine.createView(), resolveTarget: image.createView() },
          ...{ clearValue: [1, 1, 1, 1], loadOp: 'clear', storeOp: 'discard' },
        },
      ],
      depthStencilAttachment: {
        ...{ view: depth.createView(), depthClearValue: 1, depthLoadOp: 'clear', depthStoreOp: 'discard' },
      },
    });
    pass.setPipeline(pipeline);
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    pass.setBindGroup(0, gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.draw(6 * (nx - 1) * (ny - 1));
    pass.end();
    encoder.copyTextureToBuffer({ texture: image }, { buffer: read, bytesPerRow }, [width, height]);
    gpu.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    return imageOf(packed(new Uint8Array(read.getMappedRange()), bytesPerRow, size), size);
  } finally {
    for (const each of [fine, image, depth, read, ...buffers]) each.destroy();
  }
}

function pipelineOf(gpu: GPUDevice): Promise<GPURenderPipeline> {
  const module = gpu.createShaderModule({ code: SHADER });
  return gpu.createRenderPipelineAsync({
    layout: 'auto',
    vertex: { module },
    fragment: { module, targets: [{ format: FORMAT }] },
    depthStencil: { format: 'depth24plus', depthWriteEnabled: true, depthCompare: 'less' },
    multisample: { count: SAMPLES },
  });
}

/** Scene, values and colours, in order of their bindings. */
function buffersOf(gpu: GPUDevice, { values, nx, ny, range, map }: Surface, size: Size): GPUBuffer[] {
  const light = vec3.normalize([-0.5, -0.4, 1]);
  const scene = Float32Array.of(...cameraOf(size), ...light, 0, ...range, nx, ny);
  const bytes = palette(map);
  const colours = Float32Array.from({ length: 4 * 256 }, (_, k) =>
    k % 4 === 3 ? 1 : bytes[3 * Math.floor(k / 4) + (k % 4)]! / 255,
  );
  const usages = [GPUBufferUsage.UNIFORM, GPUBufferUsage.STORAGE, GPUBufferUsage.STORAGE];
  const heights = Float32Array.from(values, (value) => (Number.isFinite(value) ? value : range[0]));
  return [scene, heights, colours].map((data, k) => {
    const buffer = gpu.createBuffer({ size: data.byteLength, usage: usages[k]! | GPUBufferUsage.COPY_DST });
    gpu.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
    return buffer;
  });
}

/** Rows without the padding behind them. */
function packed(bytes: Uint8Array, bytesPerRow: number, [width, height]: Size): Uint8Array {
  const pixels = new Uint8Array(4 * width * height);
  for (let row = 0; row < height; row++)
    pixels.set(bytes.subarray(row * bytesPerRow, row * bytesPerRow + 4 * width), 4 * width * row);
  return pixels;
}

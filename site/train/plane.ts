/** Pictures of values at points of a plane, drawn from the device's own buffers by a render pipeline: nothing is read back. */
import type { Device, Program } from '../../engine/index.ts';
import { colourWgsl } from './colours.ts';

/** A value in device memory. */
type Place = ReturnType<Program['placeOf']>;

/** Each point is a rectangle; those of a regular grid lie side by side. */
const code = `
struct View {
  half: vec2f,
  values: u32,
  range: u32,
}
@group(0) @binding(0) var<storage, read> points: array<vec2f>;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> ranges: array<f32>;
@group(0) @binding(3) var<uniform> view: View;

struct Corner {
  @builtin(position) position: vec4f,
  @location(0) @interpolate(flat) colour: vec3f,
}
${colourWgsl}

@vertex fn corner(@builtin(vertex_index) c: u32, @builtin(instance_index) k: u32) -> Corner {
  let low = ranges[view.range];
  let span = ranges[view.range + 1u] - low;
  let share = select(0.5, (values[view.values + k] - low) / span, span > 0.0);
  let middle = mix(view.half - 1.0, 1.0 - view.half, points[k]);
  let side = 2.0 * vec2f(f32(c & 1u), f32(c >> 1u)) - 1.0;
  return Corner(vec4f(middle + side * view.half, 0.0, 1.0), colour_of(share));
}

@fragment fn paint(at: Corner) -> @location(0) vec4f {
  return vec4f(at.colour, 1.0);
}`;

/** A value in device memory, and its first byte. */
export type Stored = Pick<Place, 'buffer' | 'at'>;

/** Points of the plane, each coordinate from 0 to 1. */
export interface Points {
  readonly buffer: GPUBuffer;
  readonly count: number;
  /** Half a point's width and height, where the picture is 2 wide and high. */
  readonly half: readonly [x: number, y: number];
}

export interface Picture {
  readonly points: Points;
  readonly values: Stored;
  /** Two numbers: what has the lowest colour, and what the highest. */
  readonly range: Stored;
}

export class Painter {
  readonly #gpu: GPUDevice;
  readonly #pipeline: GPURenderPipeline;
  readonly #format: GPUTextureFormat;
  readonly #buffers: GPUBuffer[] = [];

  private constructor(gpu: GPUDevice, pipeline: GPURenderPipeline, format: GPUTextureFormat) {
    this.#gpu = gpu;
    this.#pipeline = pipeline;
    this.#format = format;
  }

  static async create({ gpu }: Device): Promise<Painter> {
    const format = navigator.gpu.getPreferredCanvasFormat();
    const module = gpu.createShaderModule({ code });
    const pipeline = await gpu.createRenderPipelineAsync({
      layout: 'auto',
      vertex: { module },
      fragment: { module, targets: [{ format }] },
      primitive: { topology: 'triangle-strip' },
    });
    return new Painter(gpu, pipeline, format);
  }

  /** Points by coordinates x and y, each with where it begins and ends. */
  points(x: Axis, y: Axis): Points {
    const count = x.values.length;
    const shares = new Float32Array(2 * count);
    for (let k = 0; k < count; k++) shares.set([shareOf(x, k), shareOf(y, k)], 2 * k);
    const [columns, rows] = [new Set(x.values).size, new Set(y.values).size];
    const scattered = 1 / Math.sqrt(count);
    return {
      buffer: this.upload(shares).buffer,
      count,
      half: columns * rows === count ? [1 / columns, 1 / rows] : [scattered, scattered],
    };
  }

  upload(data: Float32Array<ArrayBuffer>): Stored {
    return { buffer: this.#filled(data, GPUBufferUsage.STORAGE), at: 0 };
  }

  #filled(data: Float32Array<ArrayBuffer> | ArrayBuffer, usage: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.#gpu.createBuffer({ size: data.byteLength, usage: usage | GPUBufferUsage.COPY_DST });
    this.#buffers.push(buffer);
    this.#gpu.queue.writeBuffer(buffer, 0, data);
    return buffer;
  }

  /** Frees what was uploaded; pictures of it are drawn no more. */
  clear(): void {
    for (const buffer of this.#buffers.splice(0)) buffer.destroy();
  }

  /** A function that draws the picture as its buffers are when it is called. */
  on(canvas: OffscreenCanvas, { points, values, range }: Picture): () => void {
    const gpu = this.#gpu;
    const context = canvas.getContext('webgpu');
    if (!context) throw new Error('this browser gives a canvas of a worker no WebGPU context');
    context.configure({ device: gpu, format: this.#format, alphaMode: 'premultiplied' });
    const view = new ArrayBuffer(16);
    new Float32Array(view, 0, 2).set(points.half);
    new Uint32Array(view, 8, 2).set([values.at / 4, range.at / 4]);
    const uniform = this.#filled(view, GPUBufferUsage.UNIFORM);
    const buffers = [points.buffer, values.buffer, range.buffer, uniform];
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = gpu.createBindGroup({ layout: this.#pipeline.getBindGroupLayout(0), entries });
    return () => {
      const encoder = gpu.createCommandEncoder();
      const view = context.getCurrentTexture().createView();
      const pass = encoder.beginRenderPass({ colorAttachments: [{ view, loadOp: 'clear', storeOp: 'store' }] });
      pass.setPipeline(this.#pipeline);
      pass.setBindGroup(0, group);
      pass.draw(4, points.count);
      pass.end();
      gpu.queue.submit([encoder.finish()]);
    };
  }
}

/** A coordinate of points, with where it begins and ends. */
export interface Axis {
  readonly values: Float64Array;
  readonly extent: readonly [low: number, high: number];
}

const shareOf = ({ values, extent: [low, high] }: Axis, k: number) => (values[k]! - low) / (high - low);

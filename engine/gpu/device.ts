export interface Device { gpu: GPUDevice; scoped<T>(name: string, f: () => T | Promise<T>): Promise<T>; }

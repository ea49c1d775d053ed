// What chachaml uses is put under globalThis.vega.
export {};

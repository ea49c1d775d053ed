// What chachaml uses is put under globalThis.vegaLite.
export {};

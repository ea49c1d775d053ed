// What tsc is told of the library next to it: its own source is not written for it.
declare const uPlot: any;
export default uPlot;

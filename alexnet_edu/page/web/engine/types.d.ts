// What the page's parts hand to each other. Types only: no browser loads this file.

/** `[channels, height, width]` for maps, `[features]` for vectors. */
export type Shape = number[];

/** One step of the network with what it costs for one picture, as `alexnet_edu.page` writes it from the spec. */
export interface Layer {
  name: string;
  kind: string;
  input: Shape;
  output: Shape;
  parameters: number;
  /** multiply-accumulates */
  macs: number;
  /** side in pixels of the square of the picture that one value depends on; null: all of it */
  field: number | null;
  /** pixels between the fields of neighbouring values */
  jump: number | null;
  /** first pixel of the first field, negative where padding comes first */
  start: number | null;
  kernel_size?: number;
  stride?: number;
  padding?: number;
  groups?: number;
  ceil?: boolean;
  size?: number;
  alpha?: number;
  beta?: number;
  k?: number;
  output_size?: number;
  p?: number;
  scale_at?: "train" | "test";
}

export interface Preprocess {
  resize: number;
  size: number;
  mean: number[];
  std: number[];
  /** the order in which the network takes the colours, RGB where nothing is said */
  channels?: "RGB" | "BGR";
}

/** What the page is told about the network; everything else comes with the weights. */
export interface Description {
  name: string;
  title: string;
  /** where the pages about single units are, on a site that has them */
  atlas?: string;
  /** the title for those who don't know the other networks */
  about: string;
  layers: Layer[];
  /** the other AlexNets in use, for comparing */
  others: Other[];
  preprocess: Preprocess;
  categories: string[];
  /** the labels as people say them, where they differ from the data set's names */
  words: Record<string, string>;
  /** how sure an answer is in words: the smallest probability that is put so, and the words; the surest first */
  certainties: [number, string][];
  /** what the weights scored, as their source states it, and as "data" on which pictures */
  metrics: Record<string, number | string>;
  trained_on: string;
  limits: { bytes: number; pixels: number; longest: number };
  colours: { unsigned: string; signed: string };
  pictures: Picture[];
  /** the name of a picture whose label a grey square can change */
  tips_over: string;
}

/** Another AlexNet: what it is and what its layers with weights cost. */
export interface Other {
  name: string;
  title: string;
  notes: string;
  source: string;
  /** a drawing to scale */
  file: string;
  layers: { name: string; parameters: number; macs: number }[];
}

export interface Picture {
  name: string;
  /** what people call it */
  title: string;
  file: string;
  caption: string;
  author: string;
  source: string;
  licence: string;
  /** the right label; null: the network has none for what is shown; left out: nobody has said */
  category?: string | null;
}

/** Values of one layer: row by row, channel by channel. */
export interface Values {
  shape: Shape;
  data: Float32Array;
}

/** Where tensors of a safetensors file lie. */
export interface Tensor {
  shape: Shape;
  data: Float32Array;
}

/** The two products, on memory that they share with whoever calls them. Pointers are in bytes. */
export interface Kernel {
  name: "WebAssembly" | "JavaScript";
  memory: Float32Array;
  places(
    weights: number, bias: number, columns: number, out: number, depth: number, blocks: number, stride: number,
  ): void;
  vector(weights: number, bias: number, input: number, out: number, depth: number, blocks: number): void;
}

/** An RGB picture: three bytes a pixel, row by row. */
export interface Rgb {
  width: number;
  height: number;
  data: Uint8Array | Uint8ClampedArray;
}

/** What the reader does to the crop before the network sees it. */
export interface Change {
  /** times */
  zoom: number;
  /** degrees, anticlockwise */
  turn: number;
  /** times */
  brightness: number;
  /** standard deviation, share of the full range */
  noise: number;
  /** a grey square: side and centre in pixels; null: none */
  patch: { side: number; x: number; y: number } | null;
}

/** What comes of one pass through the network. */
export interface Answer {
  /** without the grey square */
  bare: Rgb;
  /** what went into the network */
  seen: Rgb;
  probabilities: Float32Array;
  /** the one that was asked for */
  layer: string;
  values: Values;
  /** by the layers that the drawing shows */
  faces: Record<string, Face>;
  milliseconds: number;
}

/** A layer in the drawing of the network. */
export interface Face {
  /** the mean map of each tower; none where there are no places */
  maps: Float32Array[];
  /** each channel's largest value */
  channels: Float32Array;
}

/** Where each channel of a layer is strongest. */
export interface Peak {
  value: Float32Array;
  place: Uint32Array;
}

/** What a picture does to every layer. */
export interface Survey {
  seen: Rgb;
  peaks: Record<string, Peak>;
}

/** A channel that a filter looks at, and the weights it has for it. */
export interface Input {
  channel: number;
  side: number;
  /** `side` rows of as many weights */
  kernel: Float32Array;
}

/** What the reader looks at; a link holds it. */
export interface State {
  photo: string;
  layer: string;
  channel: number;
  /** row and column of a unit; null: the strongest one */
  unit: [number, number] | null;
}

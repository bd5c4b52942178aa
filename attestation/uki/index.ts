/** Unified kernel images: their parts, and what a machine measures when it starts one. */

export { authenticodeDigests } from './authenticode.ts'
export { UkiError, type UkiErrorCode } from './error.ts'
export { type ImageSource, imageInMemory } from './image-source.ts'
export { type KernelEvents, predictKernelEvents } from './kernel-events.ts'
export {
  KERNEL_BOOT_PCR,
  machineChoices,
  type Pcr11Prediction,
  phaseWords,
  predictPcr11,
  type SectionMeasurement,
  type UkiChoice,
  usedSections,
} from './pcr11.ts'
export { MAX_IMAGE_BYTES, type PeImage, type PeSection, readPeImage } from './pe-image.ts'
export { type HexDigests, type UkiProfileReference, type UkiReference, ukiReference } from './reference.ts'
export type { UkiSectionName } from './section-order.ts'
export { readUki, sectionDigests, sectionText, type Uki, type UkiSection } from './uki.ts'

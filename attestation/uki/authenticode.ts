import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { type Digests, hashParts, type Range } from './image-source.ts'
import { byOffset, hasData, type PeImage } from './pe-image.ts'

const CHECKSUM_BYTES = 4
const DIRECTORY_ENTRY_BYTES = 8

/**
 * The Authenticode hash of an image (Windows Authenticode Portable Executable Signature Format, "Calculating the PE Image
 * Hash"), as firmware measures it into PCR 4 with EV_EFI_BOOT_SERVICES_APPLICATION (PFP 1.06, section 3.3.4.5; EDK II,
 * `MeasurePeImageAndExtend`): everything but the checksum, the certificate table and its entry in the data directory, sections in
 * the order of the file. A signature that is added or replaced does not change it, except by the bytes that pad the file to eight.
 */
export function authenticodeDigests(image: PeImage, banks: readonly HashAlgorithm[]): Digests {
  return hashParts(image.source, authenticodeRanges(image), banks)
}

function authenticodeRanges(image: PeImage): readonly Range[] {
  const { checksumOffset, certificateEntryOffset, headersSize, sections, source, certificates } = image
  const afterChecksum = checksumOffset + CHECKSUM_BYTES
  const ranges: Range[] = [{ offset: 0, length: checksumOffset }]
  if (certificateEntryOffset === null) {
    ranges.push({ offset: afterChecksum, length: headersSize - afterChecksum })
  } else {
    const afterEntry = certificateEntryOffset + DIRECTORY_ENTRY_BYTES
    ranges.push(
      { offset: afterChecksum, length: certificateEntryOffset - afterChecksum },
      { offset: afterEntry, length: headersSize - afterEntry },
    )
  }
  let hashed = headersSize
  for (const { raw } of sections.filter(hasData).toSorted(byOffset)) {
    ranges.push(raw)
    hashed += raw.length
  }
  // The rest is found by counting, not by position: with gaps between sections it begins before the last section's end.
  const rest = source.size - hashed - (certificates?.length ?? 0)
  ranges.push({ offset: hashed, length: rest })
  return ranges
}

export { type DevicePath, type DevicePathNode, readDevicePath, readDevicePaths } from './path.ts'

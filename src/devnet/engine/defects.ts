import type { DefectSwitches } from './types.js';

/** As real nodes are. */
export const ALL_DEFECTS: DefectSwitches = {
  emptyEndHalts: true,
  deleteHalts: true,
  unchangedUpdateHalts: true,
  largeValueBecomesNull: true,
  textNullLost: true,
  tinyNumericRounded: true,
  unknownSpenderHalts: true,
  nullItemHalts: true,
  emptyArrayEndsNode: true,
  namesUnquoted: true,
};

/** As nodes should be. */
export const NO_DEFECTS: DefectSwitches = {
  emptyEndHalts: false,
  deleteHalts: false,
  unchangedUpdateHalts: false,
  largeValueBecomesNull: false,
  textNullLost: false,
  tinyNumericRounded: false,
  unknownSpenderHalts: false,
  nullItemHalts: false,
  emptyArrayEndsNode: false,
  namesUnquoted: false,
};
